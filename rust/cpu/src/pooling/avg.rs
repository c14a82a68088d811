use ferrograd_array::{Array, DType, Error, Result};
use smallvec::SmallVec;

use super::apart::{Share, Windows, spread};
use super::{Axis, Geometry, Planes, Window, channels_inside};
use crate::bits::fill_bits;
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::simd::{Float, Kernel, MOST_LANES, Simd, vectorize};

/// Output elements of a task.
const BLOCK: usize = 4 * 1024;

/// What a sum over a window is divided by.
#[derive(Clone, Copy)]
enum Divisor {
    /// The elements of the window, those of the padding counted or not.
    Elements {
        padding: bool,
    },
    Fixed(f64),
}

impl Divisor {
    fn new(op: &str, count_include_pad: bool, divisor_override: Option<isize>) -> Result<Self> {
        match divisor_override {
            None => Ok(Divisor::Elements { padding: count_include_pad }),
            Some(0) => Err(Error::value(op, "divisor_override", "a number other than zero", 0)),
            Some(n) => Ok(Divisor::Fixed(n as f64)),
        }
    }

    /// This axis' share of the divisor of window `o`.
    fn along(self, axis: &Axis, o: usize) -> f64 {
        match self {
            Divisor::Fixed(_) => 1.0,
            Divisor::Elements { padding: false } => {
                let (from, to) = axis.taps(o);
                (to - from) as f64
            }
            Divisor::Elements { padding: true } => {
                // A last window of `ceil_mode` may reach past the padding; what lies there is not counted.
                let start = (o * axis.stride) as isize - axis.padding as isize;
                let end = (start + axis.kernel as isize).min((axis.size + axis.padding) as isize);
                (end - start) as f64
            }
        }
    }

    fn whole(self) -> f64 {
        match self {
            Divisor::Fixed(n) => n,
            Divisor::Elements { .. } => 1.0,
        }
    }
}

fn geometry(op: &str, shape: &[usize], window: &Window<'_>) -> Result<Geometry> {
    if window.dilation.iter().any(|&d| d != 1) {
        return Err(Error::value(
            op,
            "dilation",
            "1: average windows are dense",
            format_args!("{:?}", window.dilation),
        ));
    }
    Geometry::new(op, shape, window)
}

/// The mean of each window: its sum over the number of its elements (`count_include_pad`: of the padding too), or over
/// `divisor_override`.
pub fn avg_pool(
    x: &Array,
    window: &Window<'_>,
    count_include_pad: bool,
    divisor_override: Option<isize>,
) -> Result<Array> {
    let op = "avg_pool";
    let divisor = Divisor::new(op, count_include_pad, divisor_override)?;
    match x.dtype() {
        DType::F32 => forward::<f32>(op, x, window, divisor),
        DType::F64 => forward::<f64>(op, x, window, divisor),
        other => Err(Error::dtype(op, "input", "float32 or float64 (cast it)", other)),
    }
}

fn forward<T: Float>(op: &str, x: &Array, window: &Window<'_>, divisor: Divisor) -> Result<Array> {
    let g = geometry(op, x.shape(), window)?;
    let y = Array::empty_like(x, &g.out_shape(), T::DTYPE)?;
    if y.numel() == 0 {
        return Ok(y);
    }
    let walk = Walk::new(&g, divisor, g.strides(x.layout()), g.strides(y.layout()));
    let (px, py) = (SyncPtr::new(x.ptr_mut::<T>()), SyncPtr::new(y.ptr_mut::<T>()));
    let ns = y.numel() as f64 * (0.5 + 0.2 * g.window() as f64);
    let [d, h, w] = g.axes;
    let (rows, length) = match walk.inside {
        true => (g.n * d.out * h.out, g.c * w.out),
        false => (g.n * g.c * d.out * h.out, w.out),
    };
    if walk.inside {
        path!("avg_pool/channels", parallel);
    } else {
        path!("avg_pool/rows", parallel);
    }
    parallel::for_range(rows, (BLOCK / length).max(1), ns / rows as f64, |a, b| {
        vectorize(Forward { walk: &walk, x: px.get(), y: py.get(), rows: a..b });
    });
    Ok(y)
}

/// The gradient of the input, whose spatial sizes are `sizes`: each element of `grad`, over its divisor, added to all
/// elements of its window.
pub fn avg_pool_grad(
    grad: &Array,
    sizes: &[usize],
    window: &Window<'_>,
    count_include_pad: bool,
    divisor_override: Option<isize>,
) -> Result<Array> {
    let op = "avg_pool_grad";
    let divisor = Divisor::new(op, count_include_pad, divisor_override)?;
    match grad.dtype() {
        DType::F32 => backward::<f32>(op, grad, sizes, window, divisor),
        DType::F64 => backward::<f64>(op, grad, sizes, window, divisor),
        other => Err(Error::dtype(op, "grad", "float32 or float64 (cast it)", other)),
    }
}

fn backward<T: Float>(op: &str, grad: &Array, sizes: &[usize], window: &Window<'_>, divisor: Divisor) -> Result<Array> {
    let lead = grad.ndim().saturating_sub(sizes.len());
    let shape: ferrograd_array::Dims = grad.shape()[..lead].iter().chain(sizes).copied().collect();
    let g = geometry(op, &shape, window)?;
    g.check_out(op, "grad", grad)?;
    let out = Array::empty_like(grad, &shape, T::DTYPE)?;
    if out.numel() == 0 {
        return Ok(out);
    }
    let walk = Walk::new(&g, divisor, g.strides(out.layout()), g.strides(grad.layout()));
    if spread(&g, &out, Divided { walk: &walk, grad: SyncPtr::new(grad.ptr_mut::<T>()) }).is_some() {
        return Ok(out);
    }
    fill_bits(&out, 0);
    path!("avg_pool/grad", parallel);
    let planes = Planes::new(&g, walk.inside);
    let (px, py) = (SyncPtr::new(out.ptr_mut::<T>()), SyncPtr::new(grad.ptr_mut::<T>()));
    let ns = grad.numel() as f64 * (0.5 + 0.4 * g.window() as f64);
    parallel::run(planes.tasks, ns, |task| {
        let (n, channels) = planes.of(&g, task);
        vectorize(Backward { walk: &walk, x: px.get(), y: py.get(), n, channels });
    });
    Ok(out)
}

/// What both directions share: strides of the input `sx` and of the output `sy`, and the divisors along `w`.
struct Walk<'a> {
    g: &'a Geometry,
    divisor: Divisor,
    along_w: SmallVec<[f64; 64]>,
    sx: [isize; 5],
    sy: [isize; 5],
    /// Lanes are channels, else the elements of a row.
    inside: bool,
}

impl<'a> Walk<'a> {
    fn new(g: &'a Geometry, divisor: Divisor, sx: [isize; 5], sy: [isize; 5]) -> Self {
        let w = g.axes[2];
        let along_w = (0..w.out).map(|o| divisor.along(&w, o)).collect();
        Self { g, divisor, along_w, sx, sy, inside: channels_inside(g, &sx) }
    }

    /// `(offset of the row of the output, its share of the divisor)`.
    fn row(&self, n: usize, c: usize, od: usize, oh: usize) -> (isize, f64) {
        let s = &self.sy;
        let at = n as isize * s[0] + c as isize * s[1] + od as isize * s[2] + oh as isize * s[3];
        let [d, h, _] = self.g.axes;
        (at, self.divisor.whole() * self.divisor.along(&d, od) * self.divisor.along(&h, oh))
    }

    /// The offsets of the input rows that output row `od oh` looks at.
    #[inline(always)]
    fn input_rows(&self, n: usize, c: usize, od: usize, oh: usize, mut f: impl FnMut(isize)) {
        let (s, [d, h, _]) = (&self.sx, self.g.axes);
        let (rd, rh) = (d.taps(od), h.taps(oh));
        for kd in rd.0..rd.1 {
            for kh in rh.0..rh.1 {
                f(n as isize * s[0] + c as isize * s[1] + d.at(od, kd) as isize * s[2] + h.at(oh, kh) as isize * s[3]);
            }
        }
    }

    /// The windows along `w` of which tap `kw` lies inside, `from..to`.
    fn lanes(&self, kw: usize) -> (usize, usize) {
        let w = self.g.axes[2];
        let from = w.padding.saturating_sub(kw).div_ceil(w.stride).min(w.out);
        let to = match (w.size + w.padding).checked_sub(kw + 1) {
            Some(last) => (last / w.stride + 1).min(w.out),
            None => 0,
        };
        (from, to.max(from))
    }
}

/// An element gets the window's gradient over its divisor.
#[derive(Clone, Copy)]
struct Divided<'a, T> {
    walk: &'a Walk<'a>,
    grad: SyncPtr<T>,
}

impl<T: Float> Share<T> for Divided<'_, T> {
    type Windows = (*const T, T);

    fn strides(&self) -> SmallVec<[[isize; 5]; 2]> {
        SmallVec::from_slice(&[self.walk.sy])
    }

    /// Along a row, the divisor of the first is that of all: they lie without padding.
    #[inline(always)]
    fn windows(&self, [n, c, od, oh, ow]: [usize; 5]) -> Self::Windows {
        let (at, share) = self.walk.row(n, c, od, oh);
        let grad = self.grad.get().wrapping_offset(at + ow as isize * self.walk.sy[4]);
        (grad, T::from_f64(share * self.walk.along_w[ow]))
    }
}

impl<T: Float> Windows<T> for (*const T, T) {
    #[inline(always)]
    unsafe fn load<S: Simd<T>>(self, s: S, j: usize, n: usize) -> (S::V, S::V) {
        // SAFETY: the caller's promise.
        let v = s.div(unsafe { s.load_some(self.0.add(j), n) }, s.splat(self.1));
        (v, v)
    }

    #[inline(always)]
    fn give<S: Simd<T>>(self, s: S, (v, _): (S::V, S::V), flat: S::V) -> (S::V, S::M) {
        (v, s.eq(flat, flat))
    }
}

/// `y_j = Σ_r Σ_k r_{K j + k} / divisor` over rows `r`, for `n` windows of `K` columns side by side.
#[inline(always)]
unsafe fn means<T: Float, S: Simd<T>, const K: usize>(s: S, y: *mut T, rows: &[*const T], n: usize, divisor: T) {
    for j in (0..n).step_by(S::LANES) {
        let part = S::LANES.min(n - j);
        let mut sum = s.zero();
        // SAFETY: the caller gives `n` windows of each row.
        unsafe {
            for row in rows {
                let x = row.add(K * j);
                if K == 2 {
                    let (a, b) = s.load_two(x, 2 * part);
                    let (even, odd) = s.unzip(a, b);
                    sum = s.add(s.add(sum, even), odd);
                    continue;
                }
                for k in 0..K {
                    let mut lanes = [T::ZERO; MOST_LANES];
                    for (i, lane) in lanes[..part].iter_mut().enumerate() {
                        *lane = *x.add(K * i + k);
                    }
                    sum = s.add(sum, s.load(lanes.as_ptr()));
                }
            }
            s.store_some(y.add(j), part, s.div(sum, s.splat(divisor)));
        }
    }
}

/// `y_j += x_j` for `n` elements at these steps.
#[inline(always)]
pub(super) unsafe fn add_into<T: Float>(y: *mut T, sy: isize, x: *const T, sx: isize, n: usize) {
    // SAFETY: the caller gives `n` elements at each step. Constant steps let the compiler vectorise.
    unsafe {
        match (sy, sx) {
            (1, 1) => {
                for j in 0..n {
                    *y.add(j) += *x.add(j);
                }
            }
            (1, 2) => {
                for j in 0..n {
                    *y.add(j) += *x.add(2 * j);
                }
            }
            _ => {
                for j in 0..n as isize {
                    *y.offset(j * sy) += *x.offset(j * sx);
                }
            }
        }
    }
}

struct Forward<'a, T> {
    walk: &'a Walk<'a>,
    x: *const T,
    y: *mut T,
    rows: std::ops::Range<usize>,
}

impl<T: Float> Kernel<T> for Forward<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Walk { g, sx, sy, inside, along_w, .. } = self.walk;
        let [d, h, w] = g.axes;
        let gapless = w.is_gapless() && sx[4] == 1 && (sy[4] == 1 || w.out == 1);
        for row in self.rows {
            let (oh, rest) = (row % h.out, row / h.out);
            let (od, rest) = (rest % d.out, rest / d.out);
            let (n, c) = if *inside { (rest, 0) } else { (rest / g.c, rest % g.c) };
            let (at, share) = self.walk.row(n, c, od, oh);
            // SAFETY: `input_rows`, `taps` and `lanes` name elements inside the input, and this row is the task's.
            unsafe {
                if *inside {
                    for ow in 0..w.out {
                        let y = self.y.offset(at + ow as isize * sy[4]);
                        for c in 0..g.c as isize {
                            *y.offset(c * sy[1]) = T::ZERO;
                        }
                        let (from, to) = w.taps(ow);
                        self.walk.input_rows(
                            n,
                            c,
                            od,
                            oh,
                            #[inline(always)]
                            |x| {
                                for kw in from..to {
                                    let x = self.x.offset(x + w.at(ow, kw) as isize * sx[4]);
                                    add_into(y, sy[1], x, sx[1], g.c);
                                }
                            },
                        );
                        let divisor = T::from_f64(share * along_w[ow]);
                        for c in 0..g.c as isize {
                            *y.offset(c * sy[1]) = *y.offset(c * sy[1]) / divisor;
                        }
                    }
                } else {
                    let y = self.y.offset(at);
                    if gapless {
                        let mut rows: SmallVec<[*const T; 16]> = SmallVec::new();
                        self.walk.input_rows(n, c, od, oh, |x| rows.push(self.x.offset(x)));
                        let divisor = T::from_f64(share * along_w[0]);
                        match w.kernel {
                            2 => means::<T, S, 2>(s, y, &rows, w.out, divisor),
                            3 => means::<T, S, 3>(s, y, &rows, w.out, divisor),
                            _ => means::<T, S, 4>(s, y, &rows, w.out, divisor),
                        }
                        continue;
                    }
                    for j in 0..w.out as isize {
                        *y.offset(j * sy[4]) = T::ZERO;
                    }
                    self.walk.input_rows(
                        n,
                        c,
                        od,
                        oh,
                        #[inline(always)]
                        |x| {
                            for kw in 0..w.kernel {
                                let (from, to) = self.walk.lanes(kw);
                                if from < to {
                                    let x = self.x.offset(x + w.at(from, kw) as isize * sx[4]);
                                    add_into(
                                        y.offset(from as isize * sy[4]),
                                        sy[4],
                                        x,
                                        w.stride as isize * sx[4],
                                        to - from,
                                    );
                                }
                            }
                        },
                    );
                    for (ow, &along) in along_w.iter().enumerate() {
                        let y = y.offset(ow as isize * sy[4]);
                        *y = *y / T::from_f64(share * along);
                    }
                }
            }
        }
    }
}

struct Backward<'a, T> {
    walk: &'a Walk<'a>,
    x: *mut T,
    y: *const T,
    n: usize,
    channels: std::ops::Range<usize>,
}

impl<T: Float> Kernel<T> for Backward<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        let Walk { g, sx, sy, inside, along_w, .. } = self.walk;
        let [d, h, w] = g.axes;
        let (n, c) = (self.n, self.channels.start);
        let mut tile = [T::ZERO; 64];
        for od in 0..d.out {
            for oh in 0..h.out {
                let (at, share) = self.walk.row(n, c, od, oh);
                // SAFETY: as in `Forward`; the planes of the input are this task's.
                unsafe {
                    if *inside {
                        let lanes = self.channels.len();
                        for ow in 0..w.out {
                            let divisor = T::from_f64(share * along_w[ow]);
                            let y = self.y.offset(at + ow as isize * sy[4]);
                            for (c, v) in tile[..lanes].iter_mut().enumerate() {
                                *v = *y.offset(c as isize * sy[1]) / divisor;
                            }
                            let (from, to) = w.taps(ow);
                            self.walk.input_rows(
                                n,
                                c,
                                od,
                                oh,
                                #[inline(always)]
                                |x| {
                                    for kw in from..to {
                                        let x = self.x.offset(x + w.at(ow, kw) as isize * sx[4]);
                                        add_into(x, sx[1], tile.as_ptr(), 1, lanes);
                                    }
                                },
                            );
                        }
                    } else {
                        for start in (0..w.out).step_by(tile.len()) {
                            let end = (start + tile.len()).min(w.out);
                            for ow in start..end {
                                let v = *self.y.offset(at + ow as isize * sy[4]);
                                tile[ow - start] = v / T::from_f64(share * along_w[ow]);
                            }
                            self.walk.input_rows(
                                n,
                                c,
                                od,
                                oh,
                                #[inline(always)]
                                |x| {
                                    for kw in 0..w.kernel {
                                        let (from, to) = self.walk.lanes(kw);
                                        let (from, to) = (from.max(start), to.min(end));
                                        if from < to {
                                            let x = self.x.offset(x + w.at(from, kw) as isize * sx[4]);
                                            add_into(
                                                x,
                                                w.stride as isize * sx[4],
                                                tile.as_ptr().add(from - start),
                                                1,
                                                to - from,
                                            );
                                        }
                                    }
                                },
                            );
                        }
                    }
                }
            }
        }
    }
}
