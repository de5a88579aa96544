/* Which algorithm a product takes (by its sizes alone), how C is cut into tasks, and the call to the workers. */

/* Multiply-adds below which a second thread costs more than it brings. */
#define GEMM_PARALLEL 200000

typedef struct {
    gemm_problem *problems;
    int count, failed;
    const fastnn_pool_api *pool;
} gemm_job;

static void gemm_cut(gemm_problem *p, ptrdiff_t tile_rows, ptrdiff_t tile_columns, ptrdiff_t grid_rows, ptrdiff_t grid_columns)
{
    p->block_rows = gemm_round(gemm_ceil(p->rows, grid_rows), tile_rows);
    p->block_columns = gemm_round(gemm_ceil(p->columns, grid_columns), tile_columns);
    p->grid_rows = gemm_ceil(p->rows, p->block_rows);
    p->grid_columns = gemm_ceil(p->columns, p->block_columns);
    p->tasks = gemm_ceil(p->batch, p->group) * p->grid_rows * p->grid_columns;
}

/* Chooses the grid with the least time: rounds of tasks, each its multiply-adds and its packing, and half a task's
 * wait for the slowest at the end, which is what a thread costs that others hold up. */
static void gemm_plan(gemm_problem *p, int threads)
{
    const ptrdiff_t lanes = p->is_double ? LANES_F64 : LANES_F32, tile_columns = TILE_VECS * lanes;
    const ptrdiff_t few = p->depth >= 32 * lanes ? 12 : p->depth >= 2 * lanes ? 4 : 0;
    p->kind = p->rows <= few && p->transpose_b                       ? GEMM_DOT_ROWS
              : p->columns <= gemm_min(few, 4) && !p->transpose_a ? GEMM_DOT_COLUMNS
                                                                  : GEMM_TILES;
    p->group = p->batch;
    gemm_cut(p, TILE_ROWS, tile_columns, 1, 1);
    const double work = (double)p->rows * p->columns * p->depth * p->batch;
    if (threads == 1 || work < GEMM_PARALLEL) return;
    p->group = p->batch >= 2 * threads ? gemm_ceil(p->batch, 4 * threads) : 1;
    if (p->group > 1 || p->batch >= 2 * threads) {
        gemm_cut(p, TILE_ROWS, tile_columns, 1, 1);
        return;
    }
    if (p->kind != GEMM_TILES) { /* one of the extents is few */
        gemm_cut(p, TILE_ROWS, tile_columns, p->kind == GEMM_DOT_ROWS ? 1 : threads, p->kind == GEMM_DOT_ROWS ? threads : 1);
        return;
    }
    double least = -1;
    ptrdiff_t best_rows = 1, best_columns = 1;
    for (ptrdiff_t rounds = 1; rounds <= 8; rounds++) {
        if (rounds > 1 && work < GEMM_PARALLEL * (double)(threads * rounds)) break;
        const ptrdiff_t wanted = gemm_ceil(threads * rounds, p->batch);
        for (ptrdiff_t grid_rows = 1; grid_rows <= wanted; grid_rows++) {
            gemm_cut(p, TILE_ROWS, tile_columns, grid_rows, gemm_ceil(wanted, grid_rows));
            const double rows = p->block_rows, columns = p->block_columns;
            const double task = rows * columns / (2 * lanes) + (rows + columns) * (p->is_double ? 0.5 : 0.25) + 4;
            const double time = task * (gemm_ceil(p->tasks, threads) + 0.5);
            if (least < 0 || time < least) least = time, best_rows = grid_rows, best_columns = gemm_ceil(wanted, grid_rows);
        }
    }
    gemm_cut(p, TILE_ROWS, tile_columns, best_rows, best_columns);
}

static void gemm_task(void *context, ptrdiff_t index)
{
    gemm_job *job = context;
    gemm_problem *p = job->problems;
    while (index >= p->tasks) index -= (p++)->tasks;
    const ptrdiff_t column = index % p->grid_columns, row = index / p->grid_columns % p->grid_rows;
    const ptrdiff_t first = index / (p->grid_columns * p->grid_rows) * p->group;
    const ptrdiff_t m0 = row * p->block_rows, m1 = gemm_min(m0 + p->block_rows, p->rows);
    const ptrdiff_t n0 = column * p->block_columns, n1 = gemm_min(n0 + p->block_columns, p->columns);
    for (ptrdiff_t item = first; item < gemm_min(first + p->group, p->batch); item++) {
        const int failed = p->is_double ? gemm_block_f64(p, job->pool, item, m0, m1, n0, n1)
                                        : gemm_block_f32(p, job->pool, item, m0, m1, n0, n1);
        if (failed) job->failed = 1;
    }
}

/* Computes `count` products that do not depend on one another, in one call to the workers. Returns -1 where there
 * was no memory to pack into: C is then incomplete. */
static int gemm_run(const fastnn_pool_api *pool, gemm_problem *problems, int count)
{
    gemm_job job = {problems, count, 0, pool};
    ptrdiff_t tasks = 0;
    for (int i = 0; i < count; i++) {
        problems[i].tasks = 0;
        if (problems[i].rows && problems[i].columns && problems[i].batch) gemm_plan(&problems[i], pool->threads());
        tasks += problems[i].tasks;
    }
    if (tasks) pool->run(gemm_task, &job, tasks);
    return job.failed ? -1 : 0;
}

/* Elements of grad below which the first part of backward stays on one thread. */
#define GRAD_PARALLEL 32768

typedef struct {
    const fastnn_pool_api *pool;
    gemm_gradient *gradient;
    void *grad_bias;
    gemm_problem *problems;
    int count, is_double, failed;
} gemm_backward_job;

static void gemm_grad_serially(void *context, ptrdiff_t index)
{
    gemm_backward_job *job = context;
    (void)index;
    for (ptrdiff_t i = 0; i < job->gradient->chunks * job->gradient->strips; i++)
        if (job->is_double) grad_task_f64(job->gradient, i);
        else grad_task_f32(job->gradient, i);
}

/* Both parts of backward: all that precedes the products, then the products together. */
static void gemm_backward_task(void *context, ptrdiff_t index)
{
    (void)index;
    gemm_backward_job *job = context;
    gemm_gradient *p = job->gradient;
    if (p->flags || job->grad_bias) {
        p->chunk_rows = 128 * gemm_ceil(p->rows, 128 * 16) + 128 * !p->rows;
        p->chunks = p->rows ? gemm_ceil(p->rows, p->chunk_rows) : 1;
        p->strips = gemm_ceil(p->columns, GRAD_STRIP);
        p->partial = NULL;
        if (job->grad_bias) {
            p->partial = job->pool->scratch(p->chunks * p->columns * sizeof(double));
            if (!p->partial) {
                job->failed = 1;
                return;
            }
        }
        if (p->rows * p->columns >= GRAD_PARALLEL)
            job->pool->run(job->is_double ? grad_task_f64 : grad_task_f32, p, p->chunks * p->strips);
        else job->pool->run(gemm_grad_serially, job, 1);
        if (job->grad_bias) {
            if (job->is_double) fold_f64(p, job->grad_bias);
            else fold_f32(p, job->grad_bias);
        }
    }
    if (gemm_run(job->pool, job->problems, job->count)) job->failed = 1;
}

/* linear's backward: at most two calls to the workers, one where all is small. Returns -1 without memory. */
static int gemm_backward(const fastnn_pool_api *pool, gemm_gradient *gradient, void *grad_bias, gemm_problem *problems,
                         int count, int is_double)
{
    gemm_backward_job job = {pool, gradient, grad_bias, problems, count, is_double, 0};
    double work = 0;
    for (int i = 0; i < count; i++) work += (double)problems[i].rows * problems[i].columns * problems[i].depth;
    if (work < GEMM_PARALLEL && gradient->rows * gradient->columns < GRAD_PARALLEL) pool->run(gemm_backward_task, &job, 1);
    else gemm_backward_task(&job, 0);
    return job.failed ? -1 : 0;
}
