/* Convolutions as products that never see their patches as a matrix: C = W X, where a panel of X, some pixels of some
 * taps and channels, is read out of the image when a tile needs it (Chetlur et al. 2014, "implicit" products).
 *
 * conv_pack.h   panels of patches, panels of weights     conv_block.h  one task of the forward product
 * conv_grad.h   the product for the weight's gradient    conv_depth.h  few channels: rows of the image in place of panels
 * conv_wino.h   3 x 3 taps with fewer multiplications
 * conv_plan.h   how the work is cut, and the calls to the workers
 *
 * Along each axis output o of `count` reads, at tap t of `taps`, input o * in_step + t * in_tap + in_base, which is
 * zero outside of [0, extent); it is element o * out_step + out_start of the output, and tap t is tap_start + t *
 * tap_step of the kernel. A forward convolution is one such problem. The gradient of the input is one for each
 * residue of the input's places modulo the stride, and each is a convolution of stride 1 with every stride-th tap.
 */
#ifndef FASTNN_CONV_H
#define FASTNN_CONV_H

#include "gemm.h"
#include "even_lanes.h"
#include "lanes.h"

typedef struct {
    ptrdiff_t extent, count, taps, in_base, in_tap, in_step;
    ptrdiff_t out_extent, out_start, out_step, kernel, tap_start, tap_step;
} conv_axis;

/* Rows are the output's channels of one group, channels the input's. The weight of (row, channel, tap) of a group is at
 * group * w_group + row * w_row + channel * w_channel + the kernel's own place of the tap. */
typedef struct {
    conv_axis axis[3];
    const void *x, *w, *bias;
    void *out;
    ptrdiff_t images, groups, channels, rows, w_group, w_row, w_channel;
    int flags, is_double;
    /* The rest is filled in by conv_plan. */
    ptrdiff_t taps, depth, pixels, plane, out_plane, kernel_taps, block_rows, block_pixels, grid_rows, grid_pixels;
    int strided_out, pointwise, kind;
    /* conv_weight alone: the gradient, how the summed pixels are cut, and the sums of each part but the first. */
    const void *grad;
    ptrdiff_t parts, part_chunks, chunk, total, block_depth, grid_depth;
    void *partial;
} conv_problem;

/* How many cache lines beyond its end a panel may be written: runs are stored by whole vectors. */
#define CONV_SLACK (4 * VECTOR_BYTES)
/* How much of the patches' depth, and how many rows of the weight, one block takes (as GEMM_KC and GEMM_MC): fewer
 * than a product's, as the packed patches of a band stay in L2 with them. */
#if VECTOR_BYTES == 64
#define CONV_KC 384
#define CONV_MC 224
#else
#define CONV_KC 256
#define CONV_MC 144
#endif

static inline void conv_place(const conv_problem *p, ptrdiff_t pixel, ptrdiff_t at[3])
{
    at[2] = pixel % p->axis[2].count;
    pixel /= p->axis[2].count;
    at[1] = pixel % p->axis[1].count;
    at[0] = pixel / p->axis[1].count;
}

static inline ptrdiff_t conv_out_place(const conv_problem *p, const ptrdiff_t at[3])
{
    const conv_axis *a = p->axis;
    return ((at[0] * a[0].out_step + a[0].out_start) * a[1].out_extent + at[1] * a[1].out_step + a[1].out_start)
           * a[2].out_extent + at[2] * a[2].out_step + a[2].out_start;
}

/* The places of all taps in a kernel's weights. */
static inline void conv_tap_places(const conv_problem *p, ptrdiff_t *to)
{
    const conv_axis *a = p->axis;
    for (ptrdiff_t d = 0; d < a[0].taps; d++)
        for (ptrdiff_t h = 0; h < a[1].taps; h++)
            for (ptrdiff_t w = 0; w < a[2].taps; w++)
                *to++ = ((a[0].tap_start + d * a[0].tap_step) * a[1].kernel + a[1].tap_start + h * a[1].tap_step)
                        * a[2].kernel + a[2].tap_start + w * a[2].tap_step;
}

static inline size_t conv_bytes(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

#define NAME(name) GEMM_JOIN(name, _f32)
#define REAL float
#define VEC vf32
#define IVEC vi32
#define LANES LANES_F32
#define LOAD load_f32
#define STORE store_f32
#define SPLAT splat_f32
#include "conv_pack.h"
#include "conv_block.h"
#include "conv_grad.h"
#include "conv_depth.h"
#undef NAME
#undef REAL
#undef VEC
#undef IVEC
#undef LANES
#undef LOAD
#undef STORE
#undef SPLAT

#define NAME(name) GEMM_JOIN(name, _f64)
#define REAL double
#define VEC vf64
#define IVEC vi64
#define LANES LANES_F64
#define LOAD load_f64
#define STORE store_f64
#define SPLAT splat_f64
#include "conv_pack.h"
#include "conv_block.h"
#include "conv_grad.h"
#include "conv_depth.h"
#undef NAME
#undef REAL
#undef VEC
#undef IVEC
#undef LANES
#undef LOAD
#undef STORE
#undef SPLAT

#include "conv_wino.h"
#include "conv_plan.h"

#endif
