use ferrograd_unit::test;

use super::*;
use crate::bits::{copy_into, duplicate};
use crate::{isa, parallel};

/// Every layout that a caller may pass for these values.
fn layouts(a: &Array) -> Vec<Array> {
    let (n, last) = (a.ndim(), a.shape().last().copied().unwrap_or(1));
    if n == 0 {
        return vec![a.clone()];
    }
    let order: Vec<usize> = (0..n).rev().collect();
    let turned: Vec<usize> = order.iter().map(|&k| a.shape()[k]).collect();
    let mut wide = a.shape().to_vec();
    wide[n - 1] = 2 * last + 3;
    let fresh = |shape: &[usize]| Array::empty(shape, a.dtype()).unwrap();
    let (back, wide) = (fresh(&turned), || fresh(&wide));
    let (stepped, reversed, offset) = (wide(), wide(), wide());
    let views = [
        back.view(back.layout().permuted(&order)),
        stepped.view(stepped.layout().sliced(n - 1, 1, 2, last)),
        reversed.view(reversed.layout().sliced(n - 1, 2 * last, -2, last)),
        offset.view(offset.layout().sliced(n - 1, 2, 1, last)),
    ];
    for view in &views {
        copy_into(a, view);
    }
    std::iter::once(a.clone()).chain(views).collect()
}

fn numbers(shape: &[usize], seed: usize) -> Array {
    let n = shape.iter().product::<usize>();
    let values: Vec<f32> = (0..n).map(|i| ((i * 7919 + seed * 104729) % 1009) as f32 - 500.0).collect();
    Array::from_slice(&values, shape).unwrap()
}

fn indices(shape: &[usize], size: usize, seed: usize) -> Array {
    let n = shape.iter().product::<usize>();
    let values: Vec<i64> = (0..n).map(|i| ((i * 7907 + seed * 31) % (2 * size)) as i64 - size as i64).collect();
    Array::from_slice(&values, shape).unwrap()
}

fn unravel(shape: &[usize], mut linear: usize) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for k in (0..shape.len()).rev() {
        index[k] = linear % shape[k];
        linear /= shape[k];
    }
    index
}

fn ravel(shape: &[usize], index: &[usize]) -> usize {
    index.iter().zip(shape).fold(0, |l, (&i, &s)| l * s + i)
}

fn at(index: i64, size: usize) -> usize {
    if index < 0 { (index + size as i64) as usize } else { index as usize }
}

/// Runs with 1, 2 and 8 threads on every instruction set; the bits must be the same.
fn everywhere(f: impl Fn() -> Array) -> Array {
    let mut first: Option<Array> = None;
    for isa in isa::Isa::available() {
        for threads in [1, 2, 8] {
            let got = isa::with(isa, || {
                parallel::set_num_threads(threads);
                f()
            });
            match &first {
                None => first = Some(got),
                Some(first) => match got.dtype() {
                    DType::F64 => assert_eq!(bits64(first), bits64(&got)),
                    DType::F32 => assert_eq!(bits(first), bits(&got)),
                    _ => assert_eq!(first.to_vec::<i64>(), got.to_vec::<i64>()),
                },
            }
        }
    }
    first.unwrap()
}

fn bits(a: &Array) -> Vec<u32> {
    a.to_vec::<f32>().into_iter().map(f32::to_bits).collect()
}

fn bits64(a: &Array) -> Vec<u64> {
    a.to_vec::<f64>().into_iter().map(f64::to_bits).collect()
}

#[test]
fn gather_and_scatter_follow_their_formula() {
    for (shape, places) in [
        (vec![5usize, 6, 7], vec![5usize, 6, 7]),
        (vec![3, 40, 33], vec![2, 57, 31]),
        (vec![70, 90, 4], vec![70, 90, 4]),
        (vec![9], vec![20_000]),
    ] {
        for dim in 0..shape.len() {
            let mut places = places.clone();
            for k in 0..shape.len() {
                if k != dim {
                    places[k] = places[k].min(shape[k]);
                }
            }
            let (x, src) = (numbers(&shape, 1), numbers(&places, 2));
            let index = indices(&places, shape[dim], 3);
            let (xs, srcs, iv) = (x.to_vec::<f32>(), src.to_vec::<f32>(), index.to_vec::<i64>());
            let mut expected = vec![0f32; iv.len()];
            let (mut put, mut sum) = (xs.clone(), xs.clone());
            for l in 0..iv.len() {
                let mut place = unravel(&places, l);
                place[dim] = at(iv[l], shape[dim]);
                let k = ravel(&shape, &place);
                expected[l] = xs[k];
                put[k] = srcs[l];
                sum[k] += srcs[l];
            }
            for ((x, src), index) in layouts(&x).iter().zip(layouts(&src)).zip(layouts(&index)) {
                let d = dim as isize;
                assert_eq!(everywhere(|| gather(x, d, &index).unwrap()).to_vec::<f32>(), expected);
                assert_eq!(everywhere(|| scatter(x, d, &index, &src).unwrap()).to_vec::<f32>(), put);
                assert_eq!(everywhere(|| scatter_add(x, d, &index, &src).unwrap()).to_vec::<f32>(), sum);
            }
            let small = crate::cast(&index, DType::I32).unwrap();
            assert_eq!(gather(&x, dim as isize - shape.len() as isize, &small).unwrap().to_vec::<f32>(), expected);
            let one = Array::scalar(2.5f32).unwrap();
            let flat = scatter(&x, dim as isize, &small, &one).unwrap().to_vec::<f32>();
            assert!(flat.iter().zip(&put).zip(&xs).all(|((f, p), x)| *f == 2.5 || (p == x && f == x)));
        }
    }
}

#[test]
fn sums_do_not_depend_on_threads() {
    let n = 60_000;
    let x: Vec<f32> = (0..n).map(|i| 1.0 / (i + 1) as f32).collect();
    let src = Array::from_slice(&x, &[600, 100]).unwrap();
    let target = Array::from_slice(&vec![0.1f32; 7 * 100], &[7, 100]).unwrap();
    let index = indices(&[600, 100], 7, 5);
    everywhere(|| scatter_add(&target, 0, &index, &src).unwrap());
    let rows = indices(&[600], 7, 4);
    everywhere(|| index_put(&target, &[(0, &rows)], &src, true, None).unwrap());
    everywhere(|| embedding_grad(&src, &rows, 7, None).unwrap());
}

#[test]
fn bad_indices_are_named_and_nothing_is_touched() {
    let x = numbers(&[4, 5], 1);
    for bad in [4i64, -5, i64::MAX, i64::MIN] {
        let index = Array::from_slice(&[0i64, 1, bad, -4, bad - (bad > 0) as i64], &[1, 5]).unwrap();
        let expected = format!("index {bad} is out of bounds for dimension 0 with size 4");
        let check = |result: Result<Array>, argument: &str| {
            let Err(Error::Index(message)) = result else { panic!("{argument} took {bad}") };
            assert_eq!(message, format!("{argument}: {expected}"));
        };
        check(gather(&x, 0, &index), "gather: index");
        check(scatter(&x, 0, &index, &x), "scatter: index");
        check(scatter_add(&x, -2, &index, &x), "scatter_add: index");
        check(embedding(&x, &index), "embedding: index");
        check(embedding_grad(&numbers(&[1, 5, 3], 2), &index, 4, None), "embedding_grad: index");
        check(index_get(&x, &[(0, &index)]), "index_get: indices[0]");
        let before = x.to_vec::<f32>();
        check(index_put(&x, &[(0, &index)], &Array::scalar(1f32).unwrap(), false, Some(&x)), "index_put: indices[0]");
        assert_eq!(x.to_vec::<f32>(), before);
    }
    let empty = numbers(&[0, 3], 0);
    let zero = Array::from_slice(&[0i64], &[1]).unwrap();
    assert!(matches!(index_get(&empty, &[(0, &zero)]), Err(Error::Index(_))));
    let bytes = Array::from_slice(&[1u8, 0, 1, 0], &[4]).unwrap();
    let message = index_get(&x, &[(0, &bytes)]).unwrap_err().to_string();
    assert!(message.contains(".bool()") && message.contains("uint8"), "{message}");
    assert!(matches!(gather(&x, 0, &bytes), Err(Error::DType(_))));
    assert!(matches!(gather(&x, 2, &zero), Err(Error::Index(_))));
    assert!(matches!(gather(&x, 0, &zero), Err(Error::Shape(_))));
    assert!(matches!(gather(&x, 0, &indices(&[1, 6], 4, 0)), Err(Error::Shape(_))));
    assert!(matches!(scatter(&x, 0, &indices(&[4, 5], 4, 0), &numbers(&[4, 4], 0)), Err(Error::Shape(_))));
    assert!(matches!(embedding_grad(&numbers(&[1, 5], 0), &zero, 4, Some(4)), Err(Error::Value(_))));
    assert!(matches!(index_get(&x, &[(0, &zero), (0, &zero)]), Err(Error::Index(_))));
    let (two, three) = (indices(&[2], 4, 0), indices(&[3], 4, 0));
    let message = index_get(&x, &[(0, &two), (1, &three)]).unwrap_err().to_string();
    assert_eq!(message, "index_get: indices[1]: expected a shape that broadcasts with (2,), got (3,)");
}

/// Advanced indexing by its definition: the place of each element of the result.
fn selected(shape: &[usize], list: &[(usize, &Array)]) -> (Vec<usize>, Vec<usize>) {
    let mut common: Vec<usize> = vec![];
    for (_, a) in list {
        common = ferrograd_array::broadcast_shapes("", "", &common, a.shape()).unwrap().to_vec();
    }
    let dims: Vec<usize> = list.iter().map(|(d, _)| *d).collect();
    let rest: Vec<usize> = (0..shape.len()).filter(|k| !dims.contains(k)).collect();
    let adjacent = dims.windows(2).all(|w| w[1] == w[0] + 1);
    let before = if adjacent { rest.iter().filter(|&&k| dims.first().is_some_and(|f| k < *f)).count() } else { 0 };
    let mut out: Vec<usize> = rest[..before].iter().map(|&k| shape[k]).collect();
    out.extend(&common);
    out.extend(rest[before..].iter().map(|&k| shape[k]));
    let places = (0..out.iter().product())
        .map(|l| {
            let index = unravel(&out, l);
            let mut place = vec![0; shape.len()];
            for (j, &k) in rest.iter().enumerate() {
                place[k] = index[if j < before { j } else { j + common.len() }];
            }
            let b = &index[before..before + common.len()];
            for (d, a) in list {
                let lead = common.len() - a.ndim();
                let own: Vec<usize> =
                    a.shape().iter().zip(&b[lead..]).map(|(&s, &i)| if s == 1 { 0 } else { i }).collect();
                place[*d] = at(a.to_vec::<i64>()[ravel(a.shape(), &own)], shape[*d]);
            }
            ravel(shape, &place)
        })
        .collect();
    (out, places)
}

#[test]
fn advanced_indexing_follows_numpy() {
    let shape = [6usize, 5, 34, 7];
    let lists: Vec<Vec<(usize, Array)>> = vec![
        vec![(0, indices(&[9], 6, 0))],
        vec![(3, indices(&[2, 3], 7, 1))],
        vec![(1, indices(&[4, 1], 5, 2)), (2, indices(&[1, 6], 34, 3))],
        vec![(0, indices(&[3], 6, 4)), (3, indices(&[3], 7, 5))],
        vec![(1, indices(&[2, 1], 5, 6)), (3, indices(&[8], 7, 7))],
        vec![(0, indices(&[5], 6, 8)), (1, indices(&[], 5, 9)), (2, indices(&[5], 34, 10)), (3, indices(&[1], 7, 11))],
        vec![(2, indices(&[0], 34, 0))],
        vec![(2, indices(&[3000], 34, 13))],
        vec![],
    ];
    let x = numbers(&shape, 1);
    let values = x.to_vec::<f32>();
    for list in &lists {
        let list: Vec<(usize, &Array)> = list.iter().map(|(d, a)| (*d, a)).collect();
        let (out, places) = selected(&shape, &list);
        let expected: Vec<f32> = places.iter().map(|&p| values[p]).collect();
        let v = numbers(&out, 5);
        let vv = v.to_vec::<f32>();
        let (mut put, mut sum, mut grad) = (values.clone(), values.clone(), vec![0f32; values.len()]);
        for (l, &p) in places.iter().enumerate() {
            put[p] = vv[l];
            sum[p] += vv[l];
            grad[p] += vv[l];
        }
        for (x, v) in layouts(&x).iter().zip(layouts(&v)) {
            let got = everywhere(|| index_get(x, &list).unwrap());
            assert_eq!(got.shape(), out);
            assert_eq!(got.to_vec::<f32>(), expected);
            assert_eq!(everywhere(|| index_put(x, &list, &v, false, None).unwrap()).to_vec::<f32>(), put);
            assert_eq!(everywhere(|| index_put(x, &list, &v, true, None).unwrap()).to_vec::<f32>(), sum);
            assert_eq!(everywhere(|| index_get_grad(&v, &list, &shape).unwrap()).to_vec::<f32>(), grad);
            let own = duplicate(x).unwrap();
            index_put(&own, &list, &v, false, Some(&own)).unwrap();
            assert_eq!(own.to_vec::<f32>(), put);
        }
        // Values that broadcast: the last dimension of the result, and a number.
        if let Some(&last) = out.last().filter(|_| !places.is_empty()) {
            let row = numbers(&[last], 6);
            let mut put = values.clone();
            for (l, &p) in places.iter().enumerate() {
                put[p] = row.to_vec::<f32>()[l % last];
            }
            assert_eq!(index_put(&x, &list, &row, false, None).unwrap().to_vec::<f32>(), put);
            let wrong = numbers(&[last + 1], 6);
            assert!(matches!(index_put(&x, &list, &wrong, false, None), Err(Error::Shape(_))));
        }
    }
    let first = lists[0][0].1.clone();
    assert!(matches!(index_get_grad(&x, &[(0, &first)], &shape), Err(Error::Shape(_))));
}

#[test]
fn writing_from_the_array_itself_reads_it_first() {
    let x = numbers(&[10], 3);
    let before = x.to_vec::<f32>();
    let back = x.view(x.layout().sliced(0, 9, -1, 10));
    let all = Array::from_slice(&(0..10i64).collect::<Vec<_>>(), &[10]).unwrap();
    index_put(&x, &[(0, &all)], &back, false, Some(&x)).unwrap();
    let reversed: Vec<f32> = before.into_iter().rev().collect();
    assert_eq!(x.to_vec::<f32>(), reversed);
}

fn mask(values: &[bool], shape: &[usize]) -> Array {
    let bytes: Vec<u8> = values.iter().map(|&b| b as u8).collect();
    let out = Array::empty(shape, DType::Bool).unwrap();
    // SAFETY: a new array of as many bytes.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), out.ptr_mut::<u8>(), bytes.len()) };
    out
}

#[test]
fn masks_stand_for_their_true_places() {
    for shape in [vec![4usize, 5, 6], vec![3, 90, 101], vec![1, 1, 30_000]] {
        let x = numbers(&shape, 2);
        let n = x.numel();
        let full: Vec<bool> = (0..n).map(|i| (i * i + i / 3) % 5 == 0).collect();
        let m = mask(&full, &shape);
        for (x, m) in layouts(&x).iter().zip(layouts(&m)) {
            let places = everywhere(|| nonzero(&m).unwrap());
            let hits: Vec<usize> = (0..n).filter(|&i| full[i]).collect();
            assert_eq!(places.shape(), [hits.len(), 3]);
            let expected: Vec<i64> = hits.iter().flat_map(|&l| unravel(&shape, l)).map(|i| i as i64).collect();
            assert_eq!(places.to_vec::<i64>(), expected);
            let values = x.to_vec::<f32>();
            let taken: Vec<f32> = hits.iter().map(|&l| values[l]).collect();
            assert_eq!(everywhere(|| index_get(x, &[(0, &m)]).unwrap()).to_vec::<f32>(), taken);
        }
        // A mask over the first dimensions, with an index behind it.
        let two = shape[0] * shape[1];
        let lead: Vec<bool> = (0..two).map(|i| i % 3 == 1).collect();
        let m = mask(&lead, &shape[..2]);
        let rows: Vec<i64> = (0..two).filter(|&i| lead[i]).map(|i| i as i64).collect();
        let columns = indices(&[rows.len()], shape[2], 4);
        let got = index_get(&x, &[(0, &m), (2, &columns)]).unwrap().to_vec::<f32>();
        let values = x.to_vec::<f32>();
        let expected: Vec<f32> = rows
            .iter()
            .zip(columns.to_vec::<i64>())
            .map(|(&r, c)| values[r as usize * shape[2] + at(c, shape[2])])
            .collect();
        assert_eq!(got, expected);
    }
    let x = numbers(&[4, 3], 2);
    let none = mask(&[false; 4], &[4]);
    assert_eq!(index_get(&x, &[(0, &none)]).unwrap().shape(), [0, 3]);
    assert_eq!(nonzero(&none).unwrap().shape(), [0, 1]);
    // A 0-d mask adds a dimension of one element or none.
    assert_eq!(index_get(&x, &[(0, &mask(&[true], &[]))]).unwrap().shape(), [1, 4, 3]);
    assert_eq!(index_get(&x, &[(0, &mask(&[false], &[]))]).unwrap().shape(), [0, 4, 3]);
    let message = index_get(&x, &[(0, &mask(&[true; 3], &[3]))]).unwrap_err().to_string();
    assert_eq!(
        message,
        "index_get: indices[0]: a mask of shape (3,) does not match the array of shape (4, 3) at dimension 0"
    );
    let floats = Array::from_slice(&[0f32, -0.0, f32::NAN, 1e-45], &[4]).unwrap();
    assert_eq!(nonzero(&floats).unwrap().to_vec::<i64>(), [2, 3]);
    for dtype in [DType::F16, DType::BF16, DType::F64, DType::I32, DType::U8] {
        let a = crate::cast(&Array::from_slice(&[0i64, 3, 0, 1], &[4]).unwrap(), dtype).unwrap();
        assert_eq!(nonzero(&a).unwrap().to_vec::<i64>(), [1, 3], "{dtype}");
    }
    assert_eq!(nonzero(&Array::scalar(3i64).unwrap()).unwrap().shape(), [1, 0]);
}

#[test]
fn embedding_takes_rows_and_gives_back_their_sums() {
    for (v, d, shape) in [(10, 3, vec![4usize, 5]), (300, 67, vec![2, 500]), (50, 16, vec![]), (7, 200, vec![333])] {
        let weight = numbers(&[v, d], 1);
        let index = indices(&shape, v, 2);
        let mut whole = shape.clone();
        whole.push(d);
        let g = numbers(&whole, 3);
        let (rows, w, gv) = (index.to_vec::<i64>(), weight.to_vec::<f32>(), g.to_vec::<f32>());
        let expected: Vec<f32> = rows.iter().flat_map(|&r| w[at(r, v) * d..(at(r, v) + 1) * d].to_vec()).collect();
        for padding in [None, Some(2isize), Some(-1)] {
            let mut grad = vec![0f32; v * d];
            for (l, &r) in rows.iter().enumerate() {
                if padding.is_none_or(|p| at(p as i64, v) != at(r, v)) {
                    for j in 0..d {
                        grad[at(r, v) * d + j] += gv[l * d + j];
                    }
                }
            }
            for ((weight, index), g) in layouts(&weight).iter().zip(layouts(&index)).zip(layouts(&g)) {
                let out = everywhere(|| embedding(weight, &index).unwrap());
                assert_eq!((out.shape(), out.to_vec::<f32>()), (whole.as_slice(), expected.clone()));
                let got = everywhere(|| embedding_grad(&g, &index, v, padding).unwrap());
                assert_eq!(got.to_vec::<f32>(), grad);
                let double = crate::cast(&g, DType::F64).unwrap();
                let got = everywhere(|| embedding_grad(&double, &index, v, padding).unwrap());
                assert!(got.to_vec::<f64>().iter().zip(&grad).all(|(a, b)| *a == *b as f64));
            }
        }
    }
    let empty = embedding_grad(&numbers(&[0, 3], 0), &indices(&[0], 1, 0), 4, None).unwrap();
    assert_eq!(empty.to_vec::<f32>(), [0f32; 12]);
    assert_eq!(embedding_grad(&numbers(&[2, 0], 0), &indices(&[2], 4, 0), 4, None).unwrap().shape(), [4, 0]);
}

/// Another thread may change an index array at any time: values may be anything, memory is never touched outside.
#[test]
fn indices_that_change_meanwhile_are_safe() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let x = numbers(&[100, 8], 1);
    let index = Array::from_slice(&vec![0i64; 20_000], &[20_000]).unwrap();
    let m = mask(&[false; 100], &[100]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut k = 0usize;
            while !stop.load(Ordering::Relaxed) {
                let bad = [99, -100, i64::MAX, 5_000_000, 1][k % 5];
                // SAFETY: inside both arrays; what this test is about is that the readers bear it.
                unsafe {
                    index.ptr_mut::<i64>().add(k * 7 % 20_000).write_volatile(bad);
                    m.ptr_mut::<u8>().add(k * 13 % 100).write_volatile(k.is_multiple_of(3) as u8);
                }
                k += 1;
            }
        });
        for _ in 0..200 {
            let _ = index_get(&x, &[(0, &index)]);
            let _ = embedding_grad(&numbers(&[20_000, 1], 0), &index, 100, None);
            let rows = nonzero(&m).unwrap();
            assert!(rows.to_vec::<i64>().iter().all(|&r| (0..100).contains(&r)));
        }
        stop.store(true, Ordering::Relaxed);
    });
}
