"""Which entries of op_db a neural-network library on a CPU needs: all but these, each with the reason.

A pattern has to match the entry's whole name. What is left out here may still be offered; it is not judged.
"""

from __future__ import annotations

import re

LEFT_OUT: dict[str, tuple[str, ...]] = {
    "complex numbers: fastnn has real tensors only": (
        "complex|polar|imag|real|angle|conj|conj_physical|resolve_conj|resolve_neg|isreal",
        "view_as_complex|view_as_real|cfloat|cdouble|chalf",
        r"linalg\.eig|linalg\.eigvals",
    ),
    "Fourier transforms": (r"fft\..*|stft|istft",),
    "windows of signal processing": (r"signal\.windows\..*",),
    "sparse tensors": (r"sparse\..*|to_sparse",),
    "bfloat16: NumPy has no such type": ("bfloat16",),
    "special functions beyond those that losses, activations, initialisation and distributions use": (
        r"special\.(airy_ai|.*bessel.*|.*polynomial.*|i0e|i1|i1e|erfcx|ndtri|polygamma|zeta)",
        "i0|igamma|igammac|mvlgamma|polygamma",
    ),
    "decompositions and matrix functions beyond what NumPy gives": (
        r"linalg\.(householder_product|ldl_.*|lu|lu_factor|lu_factor_ex|lu_solve)",
        "lu|lu_solve|lu_unpack|geqrf|ormqr|matrix_exp|cholesky_inverse|cholesky_solve|triangular_solve",
        "svd_lowrank|pca_lowrank",
    ),
    "CUDA's run-time compiler": ("jiterator_.*",),
    "half-width floating point of GPUs": (r"torch\._scaled_mm.*",),
    "PyTorch's internals, not named in its documentation": (
        "_batch_norm_with_update|_native_batch_norm_legit|native_(batch|layer|group)_norm|native_dropout_backward",
        "_softmax_backward_data|max_pool2d_with_indices_backward|_upsample_bilinear2d_aa|_segment_reduce|_chunk_cat",
        r"_unsafe_masked_index.*|unsafe_chunk|unsafe_split|torch\.ops\.aten\..*|slice|hash_tensor|nonzero_static",
        "(alias|as_strided|diagonal|expand|narrow|permute|squeeze|unsqueeze|t|transpose|unbind|unfold|view)_copy",
        "split_with_sizes_copy|as_strided_scatter|empty_permuted",
    ),
    "the prototype namespace torch.masked": (r"masked\..*",),
    "histograms of many dimensions": ("histogramdd",),
}


def why_left_out(name: str) -> str | None:
    """The reason why an entry is left out; None for one that is needed."""
    for reason, patterns in LEFT_OUT.items():
        if any(re.fullmatch(pattern, name) for pattern in patterns):
            return reason
    return None
