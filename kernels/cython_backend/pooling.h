/* Pooling: windows of planes, reduced to their maximum or mean. pooling_body.h holds the loops, once for each type.
 *
 * Along an axis window p has `taps[p]` places in the plane, first[p], first[p] + spread, ...; `counted[p]` are those that
 * an average divides by. Between `low` and `high` windows are whole and `step` apart: those are computed a vector at a time. */
#ifndef FASTNN_POOLING_H
#define FASTNN_POOLING_H

#include "even_lanes.h"
#include "lanes.h"
#include "pool_api.h"

typedef struct {
    ptrdiff_t size, count, spread, step, low, high;
    ptrdiff_t *first, *taps, *counted;
} pool_axis;

typedef struct {
    pool_axis axis[3];
    const void *x;
    void *out;
    int64_t *indices;
    ptrdiff_t planes, plane, windows, group; /* group: planes a task */
    double divisor;                          /* 0: the places counted */
    int is_double;
} pool_problem;

static inline ptrdiff_t pool_min(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

/* Fills one axis from a window's size, stride, padding and dilation. Returns -1 where a window has no place in the plane. */
static int pool_windows(pool_axis *a, ptrdiff_t kernel, ptrdiff_t stride, ptrdiff_t padding, ptrdiff_t dilation)
{
    a->spread = dilation;
    a->step = stride;
    a->low = a->count;
    a->high = 0;
    for (ptrdiff_t p = 0; p < a->count; p++) {
        const ptrdiff_t start = p * stride - padding, skip = start < 0 ? (-start + dilation - 1) / dilation : 0;
        const ptrdiff_t reach = a->size > start ? (a->size - start + dilation - 1) / dilation : 0, end = pool_min(kernel, reach);
        if (skip >= end) return -1;
        a->first[p] = start + skip * dilation;
        a->taps[p] = end - skip;
        a->counted[p] = pool_min(start + kernel, a->size + padding) - start;
        if (a->taps[p] == kernel) {
            if (a->low > p) a->low = p;
            a->high = p + 1;
        }
    }
    if (a->low > a->high) a->low = a->high;
    return 0;
}

static void pool_adaptive(pool_axis *a)
{
    a->spread = 1;
    a->step = a->low = a->high = 0;
    for (ptrdiff_t p = 0; p < a->count; p++) {
        a->first[p] = p * a->size / a->count;
        a->taps[p] = a->counted[p] = ((p + 1) * a->size + a->count - 1) / a->count - a->first[p];
    }
}

#define POOL_JOIN(name, suffix) name##suffix
#define NAME(name) POOL_JOIN(name, _f32)
#define REAL float
#define VEC vf32
#define IVEC vi32
#define INT int32_t
#define LANES LANES_F32
#define LOAD load_f32
#define STORE store_f32
#define SPLAT splat_f32
#include "pooling_body.h"
#undef NAME
#undef REAL
#undef VEC
#undef IVEC
#undef INT
#undef LANES
#undef LOAD
#undef STORE
#undef SPLAT

#define NAME(name) POOL_JOIN(name, _f64)
#define REAL double
#define VEC vf64
#define IVEC vi64
#define INT int64_t
#define LANES LANES_F64
#define LOAD load_f64
#define STORE store_f64
#define SPLAT splat_f64
#include "pooling_body.h"
#undef NAME
#undef REAL
#undef VEC
#undef IVEC
#undef INT
#undef LANES
#undef LOAD
#undef STORE
#undef SPLAT

enum { POOL_MAX, POOL_MAX_BACK, POOL_CHECK, POOL_AVG, POOL_AVG_BACK };
typedef struct {
    pool_problem *problem;
    int kind, failed;
    const fastnn_pool_api *pool;
    ptrdiff_t wrong; /* where an index is outside of its plane, or -1 */
} pool_job;

static void pool_task(void *context, ptrdiff_t index)
{
    pool_job *job = context;
    pool_problem *p = job->problem;
    const ptrdiff_t first = index * p->group, last = pool_min(first + p->group, p->planes);
    if (job->kind == POOL_MAX) {
        if (p->is_double) max_planes_f64(p, first, last);
        else max_planes_f32(p, first, last);
    } else if (job->kind == POOL_MAX_BACK) {
        if (p->is_double) max_back_f64(p, first, last);
        else max_back_f32(p, first, last);
    } else if (job->kind == POOL_AVG) {
        if (p->is_double) avg_planes_f64(p, first, last);
        else avg_planes_f32(p, first, last);
    } else if (job->kind == POOL_CHECK) {
        for (ptrdiff_t i = first * p->windows; i < last * p->windows; i++)
            if (p->indices[i] < 0 || p->indices[i] >= p->plane) job->wrong = i;
    } else {
        void *line = job->pool->scratch(p->axis[2].size * sizeof(double));
        if (!line) job->failed = 1;
        else if (p->is_double) avg_back_f64(p, first, last, line);
        else avg_back_f32(p, first, last, line);
    }
}

/* Numbers that a task reads or writes, about. */
#define POOL_GRAIN 32768

/* Returns -1 without memory; for POOL_CHECK, 1 + the place of an index outside of its plane, or 0. */
static ptrdiff_t pooling_run(const fastnn_pool_api *pool, pool_problem *p, int kind)
{
    pool_job job = {p, kind, 0, pool, -1};
    if (!p->planes) return 0;
    const ptrdiff_t each = p->plane + p->windows;
    p->group = POOL_GRAIN / each + 1;
    pool->run(pool_task, &job, (p->planes + p->group - 1) / p->group);
    return job.failed ? -1 : job.wrong + 1;
}
#endif
