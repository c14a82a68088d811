"""The in-place forms that PyTorch has as functions too: `fg.relu_(x)` for `x.relu_()`."""

from ._method import METHODS

abs_ = METHODS["abs_"]
acos_ = METHODS["acos_"]
acosh_ = METHODS["acosh_"]
addmv_ = METHODS["addmv_"]
arccos_ = METHODS["arccos_"]
arccosh_ = METHODS["arccosh_"]
arcsin_ = METHODS["arcsin_"]
arcsinh_ = METHODS["arcsinh_"]
arctan_ = METHODS["arctan_"]
arctanh_ = METHODS["arctanh_"]
asin_ = METHODS["asin_"]
asinh_ = METHODS["asinh_"]
atan_ = METHODS["atan_"]
atanh_ = METHODS["atanh_"]
ceil_ = METHODS["ceil_"]
clamp_ = METHODS["clamp_"]
clamp_max_ = METHODS["clamp_max_"]
clamp_min_ = METHODS["clamp_min_"]
clip_ = METHODS["clip_"]
cos_ = METHODS["cos_"]
cosh_ = METHODS["cosh_"]
deg2rad_ = METHODS["deg2rad_"]
erf_ = METHODS["erf_"]
erfc_ = METHODS["erfc_"]
exp2_ = METHODS["exp2_"]
exp_ = METHODS["exp_"]
expm1_ = METHODS["expm1_"]
fill_ = METHODS["fill_"]
fix_ = METHODS["fix_"]
floor_ = METHODS["floor_"]
frac_ = METHODS["frac_"]
index_put_ = METHODS["index_put_"]
log10_ = METHODS["log10_"]
log1p_ = METHODS["log1p_"]
log2_ = METHODS["log2_"]
log_ = METHODS["log_"]
nan_to_num_ = METHODS["nan_to_num_"]
neg_ = METHODS["neg_"]
negative_ = METHODS["negative_"]
rad2deg_ = METHODS["rad2deg_"]
reciprocal_ = METHODS["reciprocal_"]
relu_ = METHODS["relu_"]
round_ = METHODS["round_"]
rsqrt_ = METHODS["rsqrt_"]
sigmoid_ = METHODS["sigmoid_"]
sin_ = METHODS["sin_"]
sinh_ = METHODS["sinh_"]
sqrt_ = METHODS["sqrt_"]
square_ = METHODS["square_"]
tan_ = METHODS["tan_"]
tanh_ = METHODS["tanh_"]
trunc_ = METHODS["trunc_"]
xlogy_ = METHODS["xlogy_"]
zero_ = METHODS["zero_"]

__all__ = [
    "abs_",
    "acos_",
    "acosh_",
    "addmv_",
    "arccos_",
    "arccosh_",
    "arcsin_",
    "arcsinh_",
    "arctan_",
    "arctanh_",
    "asin_",
    "asinh_",
    "atan_",
    "atanh_",
    "ceil_",
    "clamp_",
    "clamp_max_",
    "clamp_min_",
    "clip_",
    "cos_",
    "cosh_",
    "deg2rad_",
    "erf_",
    "erfc_",
    "exp2_",
    "exp_",
    "expm1_",
    "fill_",
    "fix_",
    "floor_",
    "frac_",
    "index_put_",
    "log1p_",
    "log2_",
    "log10_",
    "log_",
    "nan_to_num_",
    "neg_",
    "negative_",
    "rad2deg_",
    "reciprocal_",
    "relu_",
    "round_",
    "rsqrt_",
    "sigmoid_",
    "sin_",
    "sinh_",
    "sqrt_",
    "square_",
    "tan_",
    "tanh_",
    "trunc_",
    "xlogy_",
    "zero_",
]  # fmt: skip
