"""Functions that make functions: gradients, products with Jacobians, Jacobians and Hessians.

They take functions of tensors, or of trees (dicts, lists, tuples) of tensors, and can be nested: `grad(grad(f))`.
"""

from .call import functional_call
from .gradient import grad, grad_and_value, hvp, jvp, linearize, value_and_grad, vjp
from .jacobian import hessian, jacfwd, jacobian, jacrev
from .loop import vmap
