/* Products of matrices: C = activation(A B + C + bias), packed and register-tiled as in GotoBLAS and BLIS
 * (Goto and van de Geijn 2008; Van Zee and van de Geijn 2015).
 *
 * gemm_kernel.h  the tile of C in registers       gemm_dot.h   few rows against many, unpacked
 * gemm_pack.h    panels for it                    gemm_block.h one task: a block of C over all of k
 * gemm_grad.h    before backward's products: the activation's derivative, the bias's gradient
 * gemm_plan.h    which algorithm, how C is cut into tasks, and the calls to the workers
 */
#ifndef FASTNN_GEMM_H
#define FASTNN_GEMM_H

#include "pool_api.h"
#include "simd.h"
#include "vecmath.h"

/* The tile: TILE_ROWS x (TILE_VECS vectors) fills the registers but for a row of B and a number of A.
 * GEMM_KC: a tile streams a panel of B (KC x tile width) from the end of L1 or L2, and is long enough that the reading
 * and writing of C between two tiles costs little; GEMM_MC: packed A (MC x KC) in L2; GEMM_NC: packed B in L3. */
#define TILE_VECS 2
#if VECTOR_BYTES == 64
#define TILE_ROWS 14
#define GEMM_KC_BYTES 1536
#define GEMM_MC 224
#else
#define TILE_ROWS 6
#define GEMM_KC_BYTES 2048
#define GEMM_MC 96
#endif
#define GEMM_KC (GEMM_KC_BYTES / (ptrdiff_t)sizeof(REAL))
#define GEMM_NC 2048
/* Panels of B that are packed together where B lies across k: more of each of its rows, which are pages apart. */
#define GEMM_GROUP 4
/* Multiply-adds of a tile's element from which the tile asks for C's lines before it starts. */
#define GEMM_PREFETCH 64
/* A is read in place where it meets no more panels of B than this (half as many if it lies across k), B where it meets
 * no more rows of A. */
#define GEMM_DIRECT_A 16
#define GEMM_DIRECT_B 24

/* Keeps a vector that was loaded in its register: compilers would rather load it again for each multiply-add. */
#if (defined(__AVX512F__) && VECTOR_BYTES == 64) || (defined(__AVX2__) && VECTOR_BYTES == 32)
#define GEMM_HOLD(vector) __asm__("" : "+v"(vector))
#else
#define GEMM_HOLD(vector) (void)(vector)
#endif

enum { GEMM_ADD = 1, GEMM_BIAS = 2, GEMM_RELU = 4, GEMM_SIGMOID = 8, GEMM_TANH = 16, GEMM_ROW_BIAS = 32 };
enum { GEMM_TILES, GEMM_DOT_ROWS, GEMM_DOT_COLUMNS };

/* One product, or `batch` of them. A is (rows, depth), or (depth, rows) where transpose_a; B is (depth, columns), or
 * (columns, depth); C is (rows, columns): all dense, float or double. a_step and b_step lead to the next of a batch. */
typedef struct {
    const void *a, *b, *bias;
    void *c;
    ptrdiff_t rows, columns, depth, batch, a_step, b_step;
    int transpose_a, transpose_b, flags, is_double;
    /* The plan, filled in by gemm_run: C is cut in grid_rows x grid_columns blocks, a task takes `group` of a batch. */
    int kind;
    ptrdiff_t grid_rows, grid_columns, block_rows, block_columns, group, tasks;
} gemm_problem;

/* The first part of linear's backward, by chunks of rows and strips of columns: g = grad * activation'(out), and each
 * chunk's column sums, in double, into a row of partial. grad is g where there is no activation; partial may be NULL. */
typedef struct {
    const void *grad, *out;
    void *g;
    double *partial;
    ptrdiff_t rows, columns, chunk_rows, chunks, strips;
    int flags;
} gemm_gradient;
#define GRAD_STRIP 256

/* Shuffles of two vectors, in either compiler's words. */
#if defined(__clang__)
#define SHUFFLE2(a, b, i, j) __builtin_shufflevector(a, b, i, j)
#define SHUFFLE4(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define SHUFFLE2(a, b, i, j) __builtin_shuffle(a, b, (quad_i64){i, j})
#define SHUFFLE4(a, b, i, j, k, l) __builtin_shuffle(a, b, (quad_i32){i, j, k, l})
#endif
typedef float quad_f32 __attribute__((vector_size(16)));
typedef double quad_f64 __attribute__((vector_size(16)));
typedef int32_t quad_i32 __attribute__((vector_size(16)));
typedef int64_t quad_i64 __attribute__((vector_size(16)));

/* to[k * width + r] = from[r * ld + k] for a 4 x 4 block of floats, a 2 x 2 block of doubles. */
static inline void transpose_f32(float *to, ptrdiff_t width, const float *from, ptrdiff_t ld)
{
    quad_f32 r0, r1, r2, r3;
    memcpy(&r0, from, 16);
    memcpy(&r1, from + ld, 16);
    memcpy(&r2, from + 2 * ld, 16);
    memcpy(&r3, from + 3 * ld, 16);
    quad_f32 a = SHUFFLE4(r0, r1, 0, 4, 1, 5), b = SHUFFLE4(r2, r3, 0, 4, 1, 5);
    quad_f32 c = SHUFFLE4(r0, r1, 2, 6, 3, 7), d = SHUFFLE4(r2, r3, 2, 6, 3, 7);
    r0 = SHUFFLE4(a, b, 0, 1, 4, 5);
    r1 = SHUFFLE4(a, b, 2, 3, 6, 7);
    r2 = SHUFFLE4(c, d, 0, 1, 4, 5);
    r3 = SHUFFLE4(c, d, 2, 3, 6, 7);
    memcpy(to, &r0, 16);
    memcpy(to + width, &r1, 16);
    memcpy(to + 2 * width, &r2, 16);
    memcpy(to + 3 * width, &r3, 16);
}

static inline void transpose_f64(double *to, ptrdiff_t width, const double *from, ptrdiff_t ld)
{
    quad_f64 r0, r1;
    memcpy(&r0, from, 16);
    memcpy(&r1, from + ld, 16);
    quad_f64 a = SHUFFLE2(r0, r1, 0, 2), b = SHUFFLE2(r0, r1, 1, 3);
    memcpy(to, &a, 16);
    memcpy(to + width, &b, 16);
}

static inline ptrdiff_t gemm_min(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static inline ptrdiff_t gemm_ceil(ptrdiff_t a, ptrdiff_t b) { return (a + b - 1) / b; }
/* The height of the next tile where `left` rows remain: a last tile of fewer than 4 rows could not hide the latency of
 * a multiply-add, so the last two share theirs. */
static inline ptrdiff_t gemm_height(ptrdiff_t left)
{
    if (left <= TILE_ROWS) return left;
    return left < TILE_ROWS + 4 ? (left + 1) / 2 : TILE_ROWS;
}
static inline ptrdiff_t gemm_round(ptrdiff_t a, ptrdiff_t b) { return gemm_ceil(a, b) * b; }

#define GEMM_JOIN(name, suffix) name##suffix

#define NAME(name) GEMM_JOIN(name, _f32)
#define REAL float
#define VEC vf32
#define IVEC vi32
#define LANES LANES_F32
#define LOAD load_f32
#define STORE store_f32
#define SPLAT splat_f32
#define BLOCK 4
#include "gemm_kernel.h"
#include "gemm_pack.h"
#include "gemm_dot.h"
#include "gemm_block.h"
#include "gemm_grad.h"
#undef NAME
#undef REAL
#undef VEC
#undef IVEC
#undef LANES
#undef LOAD
#undef STORE
#undef SPLAT
#undef BLOCK

#define NAME(name) GEMM_JOIN(name, _f64)
#define REAL double
#define VEC vf64
#define IVEC vi64
#define LANES LANES_F64
#define LOAD load_f64
#define STORE store_f64
#define SPLAT splat_f64
#define BLOCK 2
#include "gemm_kernel.h"
#include "gemm_pack.h"
#include "gemm_dot.h"
#include "gemm_block.h"
#include "gemm_grad.h"
#undef NAME
#undef REAL
#undef VEC
#undef IVEC
#undef LANES
#undef LOAD
#undef STORE
#undef SPLAT
#undef BLOCK

#include "gemm_plan.h"

#endif
