/* Layer, RMS, batch and group normalisation. norm_body.h holds the code once and is included twice. */
#ifndef FASTNN_NORM_H
#define FASTNN_NORM_H

#include "pool_api.h"
#include "rows.h"

/* Numbers a task, at least: about 10 us. Numbers of a block whose mean and deviations are taken while it is in the L1
 * cache. Rows whose products are summed in their own type, before the sums are added up in double. Rows of a chunk. */
#define NORM_TASK 16384
#define NORM_BLOCK 4096
#define NORM_ROWS 64
#define NORM_CHUNKS 16
#define NORM_STRIP 64

/* One call of a kernel; pointers that do not apply are NULL. Layer and RMS norm: rows x columns. Batch and group norm:
 * batch x channels x size, and groups of channels. */
typedef struct {
    const void *grad, *x, *weight, *bias, *mean_in, *rstd_in;
    void *out, *mean, *var, *rstd, *grad_x, *grad_weight, *grad_bias;
    double *sums;      /* layer and RMS norm: sums of each chunk; group norm: (2, batch, channels) */
    ptrdiff_t rows, columns, batch, channels, size, groups;
    ptrdiff_t step, chunks;
    double eps;
    int centred, training, is_double;
} norm_problem;

static inline ptrdiff_t norm_ceil(ptrdiff_t a, ptrdiff_t b) { return (a + b - 1) / b; }
static inline ptrdiff_t norm_min(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static inline ptrdiff_t norm_max(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }

#define REAL float
#define VEC vf32
#define LANES LANES_F32
#define NAME(stem) stem##_f32
#include "norm_body.h"
#undef REAL
#undef VEC
#undef LANES
#undef NAME

#define REAL double
#define VEC vf64
#define LANES LANES_F64
#define NAME(stem) stem##_f64
#include "norm_body.h"
#undef REAL
#undef VEC
#undef LANES
#undef NAME

#define NORM_RUN(task, count) pool->run(p->is_double ? task##_f64 : task##_f32, p, count)

static void norm_rows_forward(const fastnn_pool_api *pool, norm_problem *p)
{
    p->step = norm_max(1, NORM_TASK / norm_max(p->columns, 1));
    NORM_RUN(norm_rows_forward_task, norm_ceil(p->rows, p->step));
}

/* Returns -1 where there was no memory for the chunks' sums: nothing is written then. */
static int norm_rows_backward(const fastnn_pool_api *pool, norm_problem *p)
{
    p->step = norm_max(norm_max(8, NORM_TASK / norm_max(p->columns, 1)), norm_ceil(p->rows, NORM_CHUNKS));
    p->chunks = norm_ceil(p->rows, p->step);
    p->sums = NULL;
    if (p->grad_weight || p->grad_bias) {
        /* For each chunk two rows of doubles and two of the type itself. */
        p->sums = pool->scratch((size_t)norm_max(p->chunks, 1) * 4 * p->columns * sizeof(double));
        if (!p->sums) return -1;
    }
    NORM_RUN(norm_rows_backward_task, p->chunks);
    if (p->sums) {
        if (p->is_double) norm_fold_f64(p);
        else norm_fold_f32(p);
    }
    return 0;
}

static void norm_batch(const fastnn_pool_api *pool, norm_problem *p)
{
    if (p->size == 1) p->step = NORM_STRIP;
    else p->step = norm_max(1, NORM_TASK / norm_max(p->batch * p->size, 1));
    const ptrdiff_t tasks = norm_ceil(p->channels, p->step);
    if (p->grad) NORM_RUN(norm_batch_backward_task, tasks);
    else NORM_RUN(norm_batch_forward_task, tasks);
}

static void norm_group(const fastnn_pool_api *pool, norm_problem *p)
{
    p->step = norm_max(1, NORM_TASK / norm_max(p->channels / norm_max(p->groups, 1) * p->size, 1));
    const ptrdiff_t tasks = norm_ceil(p->batch * p->groups, p->step);
    if (!p->grad) {
        NORM_RUN(norm_group_forward_task, tasks);
        return;
    }
    NORM_RUN(norm_group_backward_task, tasks);
    if (p->is_double) norm_group_fold_f64(p);
    else norm_group_fold_f32(p);
}
#undef NORM_RUN

#endif
