/* How a sequence is cut for the threads, and the calls to the workers. */

/* Multiply-adds of a step above which threads share it, and of all steps above which there is a second thread at all. */
#define STEP_PARALLEL 400000
#define SEQUENCE_PARALLEL 400000

/* Rows of a slice at most: with more, a step's rows are too many pages and too much of the first-level cache. */
#define SLICE_ROWS (TILE_ROWS == 14 ? 42 : 36)

/* Sets the job to step number `index` in the order in which steps are done, after step index - 1. */
static void recurrent_step(recurrent_job *p, ptrdiff_t index)
{
    const int from_end = p->reverse != p->backward;
    const ptrdiff_t t = from_end ? p->steps - 1 - index : index, earlier = p->reverse ? t + 1 : t - 1;
    const ptrdiff_t last = from_end ? t + 1 : t - 1; /* the step done before this one */
    p->active = p->batch_sizes[t];
    if (p->row_step != 1 || p->steps == 1) p->base = t; /* the rows of a batch that comes first, or the only step */
    else if (index == 0) {
        p->base = 0;
        if (from_end)
            for (ptrdiff_t i = 0; i < t; i++) p->base += p->batch_sizes[i];
    } else p->base += from_end ? -p->active : p->batch_sizes[last];
    if (earlier < 0 || earlier >= p->steps) p->before = 0;
    else {
        p->before = gemm_min(p->batch_sizes[earlier], p->active);
        p->earlier = p->row_step != 1 ? earlier : p->reverse ? p->base + p->active : p->base - p->batch_sizes[earlier];
    }
}

/* All steps of one slice of the batch. */
static void recurrent_slice(void *context, ptrdiff_t index)
{
    recurrent_job job = *(const recurrent_job *)context;
    const ptrdiff_t r0 = index * job.slice_rows, end = gemm_min(r0 + job.slice_rows, job.batch);
    for (ptrdiff_t i = 0; i < job.steps; i++) {
        recurrent_step(&job, i);
        const ptrdiff_t n = gemm_min(job.active, end) - r0;
        if (n <= 0) continue;
        if (job.is_double) whole_step_f64(&job, r0, n);
        else whole_step_f32(&job, r0, n);
    }
}

static ptrdiff_t recurrent_chunks(recurrent_job *p, ptrdiff_t extent)
{
    const ptrdiff_t wide = TILE_VECS * (p->is_double ? LANES_F64 : LANES_F32);
    p->chunk = gemm_round(gemm_ceil(extent, p->pool->threads()), wide);
    return gemm_ceil(extent, p->chunk);
}

/* All steps, each of them shared by the threads. */
static void recurrent_shared(recurrent_job *p)
{
    fastnn_task task = p->is_double ? chunk_task_f64 : chunk_task_f32;
    for (ptrdiff_t i = 0; i < p->steps; i++) {
        recurrent_step(p, i);
        if (!p->active) continue;
        if (p->backward && p->weight_hr) {
            if (p->is_double) project_backward_f64(p, 0, p->active);
            else project_backward_f32(p, 0, p->active);
        }
        p->phase = 0;
        p->pool->run(task, p, recurrent_chunks(p, p->hidden));
        if (p->backward) {
            p->phase = 1;
            p->pool->run(task, p, recurrent_chunks(p, p->width));
        } else if (p->is_double) finish_forward_f64(p, 0, p->active);
        else finish_forward_f32(p, 0, p->active);
    }
}

static void recurrent_all(void *context, ptrdiff_t index)
{
    (void)index;
    recurrent_job *p = context;
    const ptrdiff_t lanes = p->is_double ? LANES_F64 : LANES_F32, wide = TILE_VECS * lanes, size = p->is_double ? 8 : 4;
    const ptrdiff_t threads = p->pool->threads(), units = gemm_ceil(p->hidden, wide), columns = gemm_ceil(p->width, wide);
    const ptrdiff_t panels = p->backward ? columns : p->gate_count * units;
    const ptrdiff_t depth = p->backward ? p->gate_count * p->hidden : p->width;
    p->packed_hh = (void *)(((uintptr_t)p->workspace + 63) & ~(uintptr_t)63);
    p->packed_hr = (char *)p->packed_hh + panels * wide * depth * size;
    p->dots = !p->weight_hr && (p->backward ? p->batch <= 3 : p->batch <= 4 && p->width >= 2 * lanes);
    fastnn_task pack = p->is_double ? pack_task_f64 : pack_task_f32;
    if (!p->dots) p->pool->run(pack, p, panels + (p->weight_hr ? (p->backward ? units : columns) : 0));
    else if (p->backward && p->width % lanes) { /* the panel that holds the last columns, where unpacked_product reads it */
        const ptrdiff_t last = p->width / lanes * lanes;
        if (p->is_double) pack_b_f64(p->packed_hh, (const double *)p->weight_hh + last, p->width, 0, p->width - last, depth);
        else pack_b_f32(p->packed_hh, (const float *)p->weight_hh + last, p->width, 0, p->width - last, depth);
    }
    const double step = (double)p->batch * p->gate_count * p->hidden * p->width;
    p->slices = p->dots ? 1 : gemm_min(gemm_round(gemm_ceil(p->batch, SLICE_ROWS), threads), p->batch / TILE_ROWS);
    if (p->slices <= 1) {
        if (threads > 1 && step >= STEP_PARALLEL) {
            recurrent_shared(p);
            return;
        }
        p->slices = 1;
    }
    p->slice_rows = gemm_ceil(p->batch, p->slices);
    p->pool->run(recurrent_slice, p, gemm_ceil(p->batch, p->slice_rows));
}

static void recurrent_run(const fastnn_pool_api *pool, recurrent_job *job)
{
    job->pool = pool;
    if (!job->batch || !job->steps || !job->hidden) return;
    const double work = (double)job->batch * job->gate_count * job->hidden * job->width * job->steps;
    if (work < SEQUENCE_PARALLEL) pool->run(recurrent_all, job, 1); /* all that it runs is serial then */
    else recurrent_all(job, 0);
}

/* Numbers of a chunk of a cell alone. */
#define CELL_CHUNK 8192

static void cell_run(const fastnn_pool_api *pool, cell_job *job)
{
    job->chunk = job->hidden < CELL_CHUNK ? CELL_CHUNK / (job->hidden + !job->hidden) : 1;
    if (job->rows && job->hidden) pool->run(job->is_double ? cell_task_f64 : cell_task_f32, job, gemm_ceil(job->rows, job->chunk));
}
