/* How the work is cut, and the calls to the workers. */

/* Groups of at most so many output, or else input channels are computed row by row (conv_depth.h), where no band would
 * have more numbers than this. */
#define CONV_FEW 4
#define CONV_BAND 65536
enum { CONV_TILES, CONV_FEW_ROWS, CONV_FEW_CHANNELS };
/* The largest size of the partial sums of a weight's gradient, in numbers, and the most parts. */
#define CONV_PARTIAL 524288
#define CONV_PARTS 16

typedef struct {
    conv_problem *problems;
    int count, failed;
    const fastnn_pool_api *pool;
} conv_job;

static void conv_sizes(conv_problem *p)
{
    const conv_axis *a = p->axis;
    p->taps = a[0].taps * a[1].taps * a[2].taps;
    p->kernel_taps = a[0].kernel * a[1].kernel * a[2].kernel;
    p->depth = p->channels * p->taps;
    p->pixels = a[0].count * a[1].count * a[2].count;
    p->plane = a[0].extent * a[1].extent * a[2].extent;
    p->out_plane = a[0].out_extent * a[1].out_extent * a[2].out_extent;
    p->strided_out = p->pixels != p->out_plane;
    p->pointwise = p->taps == 1 && p->pixels == p->plane && p->pixels == p->out_plane;
    for (int i = 0; i < 3; i++) p->pointwise &= a[i].in_base == 0 && a[i].in_step == 1;
}

static int conv_kind(const conv_problem *p)
{
    if (!p->depth || (p->rows > CONV_FEW && (p->channels > CONV_FEW || p->taps == 1 || p->strided_out))) return CONV_TILES;
    const double rows = (double)reach_f64(p->axis + 1, 1), span = (double)reach_f64(p->axis + 2, gemm_min(p->axis[2].count, DEPTH_WIDTH));
    if (rows * span * p->axis[0].taps > CONV_BAND) return CONV_TILES;
    if (p->rows <= CONV_FEW) return CONV_FEW_ROWS;
    /* Lines so short that tiles would be half empty: panels take their pixels from several. */
    return p->axis[2].count >= 12 && p->depth <= CONV_KC ? CONV_FEW_CHANNELS : CONV_TILES;
}

static double conv_work(const conv_problem *p)
{
    return (double)p->images * p->groups * p->rows * p->pixels * (p->depth + 1);
}

/* Blocks of pixels first, as the weights alone are packed twice then; of rows only where the pixels do not give enough. */
static void conv_cut(conv_problem *p, int threads)
{
    const ptrdiff_t width = TILE_VECS * (p->is_double ? LANES_F64 : LANES_F32), panels = gemm_ceil(p->pixels, width);
    const ptrdiff_t planes = p->images * p->groups;
    p->grid_rows = p->grid_pixels = 1;
    p->kind = conv_kind(p);
    if (p->kind != CONV_TILES) { /* blocks of the output's rows */
        const ptrdiff_t height = p->axis[1].count;
        p->grid_pixels = threads == 1 || conv_work(p) < GEMM_PARALLEL ? 1 : gemm_min(gemm_ceil(4 * threads, planes), gemm_ceil(height, 8));
        p->block_pixels = gemm_ceil(height, p->grid_pixels);
        p->grid_pixels = gemm_ceil(height, p->block_pixels);
        return;
    }
    if (threads > 1 && conv_work(p) >= GEMM_PARALLEL && planes < 4 * threads) { /* so none of the extents is 0 */
        const ptrdiff_t wanted = gemm_ceil(4 * threads, planes);
        p->grid_pixels = gemm_min(wanted, gemm_ceil(panels, 8));
        p->grid_rows = gemm_min(gemm_ceil(wanted, p->grid_pixels), gemm_ceil(p->rows, 4 * TILE_ROWS));
    }
    p->block_pixels = gemm_ceil(panels, p->grid_pixels) * width;
    p->grid_pixels = gemm_ceil(p->pixels, p->block_pixels);
    p->block_rows = gemm_round(gemm_ceil(p->rows, p->grid_rows), TILE_ROWS);
    p->grid_rows = gemm_ceil(p->rows, p->block_rows);
}

static ptrdiff_t conv_tasks(const conv_problem *p)
{
    if (!p->images || !p->groups || !p->rows || !p->pixels) return 0;
    if (!p->depth) return p->images * p->groups * p->rows;
    return p->images * p->groups * p->grid_rows * p->grid_pixels;
}

static void conv_task(void *context, ptrdiff_t index)
{
    conv_job *job = context;
    const conv_problem *p = job->problems;
    while (index >= conv_tasks(p)) index -= conv_tasks(p++);
    int failed = 0;
    if (!p->depth) {
        if (p->is_double) conv_fill_f64(p, index);
        else conv_fill_f32(p, index);
    } else {
        const ptrdiff_t row = index % p->grid_rows, block = index / p->grid_rows % p->grid_pixels,
                        plane = index / (p->grid_rows * p->grid_pixels), image = plane / p->groups, group = plane % p->groups;
        const ptrdiff_t m0 = row * p->block_rows, m1 = gemm_min(m0 + p->block_rows, p->rows);
        const ptrdiff_t q0 = block * p->block_pixels, q1 = gemm_min(q0 + p->block_pixels, p->pixels);
        if (p->kind == CONV_FEW_ROWS) {
            const ptrdiff_t last = gemm_min(q0 + p->block_pixels, p->axis[1].count);
            failed = p->is_double ? depth_task_f64(p, job->pool, image, group, q0, last) : depth_task_f32(p, job->pool, image, group, q0, last);
        } else if (p->kind == CONV_FEW_CHANNELS) {
            const ptrdiff_t last = gemm_min(q0 + p->block_pixels, p->axis[1].count);
            failed = p->is_double ? bands_task_f64(p, job->pool, image, group, q0, last) : bands_task_f32(p, job->pool, image, group, q0, last);
        } else {
            failed = p->is_double ? conv_block_f64(p, job->pool, image, group, m0, m1, q0, q1)
                                  : conv_block_f32(p, job->pool, image, group, m0, m1, q0, q1);
        }
    }
    if (failed) job->failed = 1;
}

/* Computes problems that write different parts of one output. -1 without memory. */
static int conv_run(const fastnn_pool_api *pool, conv_problem *problems, int count)
{
    conv_job job = {problems, count, 0, pool};
    ptrdiff_t tasks = 0;
    if (count == 1) {
        conv_sizes(problems);
        if (conv_winograd(problems)) return wino_run(pool, problems);
    }
    for (int i = 0; i < count; i++) {
        conv_sizes(problems + i);
        if (problems[i].images && problems[i].rows && problems[i].pixels) conv_cut(problems + i, pool->threads());
        tasks += conv_tasks(problems + i);
    }
    if (tasks) pool->run(conv_task, &job, tasks);
    return job.failed ? -1 : 0;
}

/* Whether the weight's gradient is made of dot products of rows: few pairs of channels a group. */
static int weight_by_rows(const conv_problem *p)
{
    return conv_kind(p) == CONV_FEW_ROWS && p->channels * p->rows <= CONV_FEW;
}

static void weight_task(void *context, ptrdiff_t index)
{
    conv_job *job = context;
    const conv_problem *p = job->problems;
    int failed;
    if (weight_by_rows(p)) {
        failed = p->is_double ? depth_weight_f64(p, job->pool, index) : depth_weight_f32(p, job->pool, index);
    } else {
        const ptrdiff_t row = index % p->grid_rows, column = index / p->grid_rows % p->grid_depth,
                        rest = index / (p->grid_rows * p->grid_depth), part = rest % p->parts, group = rest / p->parts;
        const ptrdiff_t m0 = row * p->block_rows, m1 = gemm_min(m0 + p->block_rows, p->rows);
        const ptrdiff_t n0 = column * p->block_depth, n1 = gemm_min(n0 + p->block_depth, p->depth);
        failed = p->is_double ? weight_block_f64(p, job->pool, group, part, m0, m1, n0, n1)
                              : weight_block_f32(p, job->pool, group, part, m0, m1, n0, n1);
    }
    if (failed) job->failed = 1;
}

#define FOLD_SIZE 16384
static void weight_fold_task(void *context, ptrdiff_t index)
{
    const conv_problem *p = ((conv_job *)context)->problems;
    const ptrdiff_t last = gemm_min((index + 1) * FOLD_SIZE, p->groups * p->rows * p->depth);
    if (p->is_double) weight_fold_f64(p, index * FOLD_SIZE, last);
    else weight_fold_f32(p, index * FOLD_SIZE, last);
}

/* The gradient of the weight: p->out is (groups, rows, depth). -1 without memory. */
static int conv_weight(const fastnn_pool_api *pool, conv_problem *p)
{
    conv_sizes(p);
    const ptrdiff_t size = p->groups * p->rows * p->depth, item = p->is_double ? sizeof(double) : sizeof(float);
    p->total = p->images * p->pixels;
    if (!size) return 0;
    if (!p->total) {
        memset(p->out, 0, size * item);
        return 0;
    }
    conv_job job = {p, 1, 0, pool};
    if (weight_by_rows(p)) {
        pool->run(weight_task, &job, p->groups * p->rows * p->channels);
        return job.failed ? -1 : 0;
    }
    const ptrdiff_t width = TILE_VECS * (p->is_double ? LANES_F64 : LANES_F32), threads = pool->threads();
    p->chunk = gemm_min(gemm_round(p->total, 4), CONV_KC);
    const ptrdiff_t chunks = gemm_ceil(p->total, p->chunk);
    p->parts = gemm_min(gemm_min(CONV_PARTS, gemm_ceil(chunks, 4)), CONV_PARTIAL / size + 1);
    p->part_chunks = gemm_ceil(chunks, p->parts);
    p->parts = gemm_ceil(chunks, p->part_chunks);
    p->grid_rows = gemm_ceil(p->rows, CONV_MC);
    p->block_rows = gemm_round(gemm_ceil(p->rows, p->grid_rows), TILE_ROWS);
    p->grid_rows = gemm_ceil(p->rows, p->block_rows);
    const ptrdiff_t given = p->groups * p->parts * p->grid_rows, panels = gemm_ceil(p->depth, width);
    p->grid_depth = given >= 4 * threads || threads == 1 ? 1 : gemm_min(gemm_ceil(4 * threads, given), gemm_ceil(panels, 4));
    p->block_depth = gemm_ceil(panels, p->grid_depth) * width;
    p->grid_depth = gemm_ceil(p->depth, p->block_depth);
    /* The sums of the parts stand behind the memory that this thread's own tasks use. */
    size_t at[4];
    const size_t task_bytes = p->is_double ? weight_task_bytes_f64(p, at) : weight_task_bytes_f32(p, at);
    if (p->parts > 1) {
        char *memory = pool->scratch(task_bytes + (p->parts - 1) * size * item);
        if (!memory) return -1;
        p->partial = memory + task_bytes;
    }
    pool->run(weight_task, &job, p->groups * p->parts * p->grid_rows * p->grid_depth);
    if (p->parts > 1 && !job.failed) pool->run(weight_fold_task, &job, gemm_ceil(size, FOLD_SIZE));
    return job.failed ? -1 : 0;
}
