/* Recurrent layers: whole sequences of one layer in one direction, and the cells alone.
 *
 * recurrent_cells.h  the arithmetic of the gates, row by row, forward and backward
 * recurrent_body.h   packing the weights, one step, and the loops over steps for a slice of the batch
 * recurrent_plan.h   how the work is cut, and the calls to the workers
 *
 * A step is the product of the states with the recurrent weight, packed once for all steps, and right behind it, by
 * blocks of hidden units whose numbers are still in the first-level cache, the gates. Sequences do not depend on one
 * another, so that threads take slices of the batch through all steps without meeting; where the batch is too small for
 * that and a step is large, they share each step's hidden units. Every number is one chain of multiply-adds along k in
 * blocks that k's extent alone decides: bits do not depend on how the work was cut.
 */
#ifndef FASTNN_RECURRENT_H
#define FASTNN_RECURRENT_H

#include "gemm.h"

enum { CELL_LSTM, CELL_GRU, CELL_TANH, CELL_RELU };

/* Names as in the contract. LSTM: aside = cells; GRU: aside = inner, grad_aside = grad_inner. RNN: gates = out. */
typedef struct {
    int mode, is_double, reverse, gate_count, backward;
    ptrdiff_t steps, batch, hidden, width; /* T, B, H, R */
    ptrdiff_t row_step;                    /* distance of the rows of one step: 1, or T for batch_first */
    const int64_t *batch_sizes;
    const void *weight_hh, *weight_hr, *bias_hn;
    void *workspace;
    void *gates, *out, *raw, *aside;
    void *hn, *cn;                         /* backward: grad_h0, grad_c0; the states, or their gradients, at each step */
    const void *grad_out, *initial;        /* backward: initial = c0, for a GRU h0 */
    void *grad_gates, *grad_aside, *grad_state;
    /* The plan, filled in by recurrent_run. */
    const fastnn_pool_api *pool;
    int dots;                              /* few rows: nothing packed */
    ptrdiff_t slice_rows, slices;
    void *packed_hh, *packed_hr;
    ptrdiff_t chunk, phase;                /* where threads share a step */
    ptrdiff_t base, earlier, active, before; /* the step at hand: first row, that of the step before it in time, rows */
} recurrent_job;

/* The cells alone: rows of (rows, gate_count * hidden) and (rows, hidden), in chunks. */
typedef struct {
    int mode, is_double, backward;
    ptrdiff_t rows, hidden, chunk;
    void *gates, *hidden_out, *cell;
    const void *inner, *previous, *grad_hidden, *grad_cell;
    void *grad_gates, *grad_inner, *grad_previous;
} cell_job;

#define NAME(name) GEMM_JOIN(name, _f32)
#define REAL float
#define VEC vf32
#define IVEC vi32
#define LANES LANES_F32
#include "recurrent_cells.h"
#include "recurrent_body.h"
#undef NAME
#undef REAL
#undef VEC
#undef IVEC
#undef LANES

#define NAME(name) GEMM_JOIN(name, _f64)
#define REAL double
#define VEC vf64
#define IVEC vi64
#define LANES LANES_F64
#include "recurrent_cells.h"
#include "recurrent_body.h"
#undef NAME
#undef REAL
#undef VEC
#undef IVEC
#undef LANES

#include "recurrent_plan.h"

#endif
