/* One task of the weight's gradient: dW = G X^T, summed over the pixels of all images. Included once for each type.
 *
 * The pixels of all images are numbered in one row, cut into chunks of p->chunk, and these into p->parts, by the
 * problem's sizes alone. A task sums a block of dW over the chunks of one part; the parts are added in order at the end. */

static size_t NAME(weight_task_bytes)(const conv_problem *p, size_t at[4])
{
    const ptrdiff_t width = TILE_VECS * LANES;
    at[0] = conv_bytes(gemm_ceil(p->block_rows, TILE_ROWS) * NAME(panel_stride)(p->chunk) * sizeof(REAL));
    at[1] = at[0] + conv_bytes(width * p->chunk * sizeof(REAL) + CONV_SLACK);
    at[2] = at[1] + conv_bytes(width * p->chunk * sizeof(REAL) + CONV_SLACK);
    at[3] = at[2] + conv_bytes(p->chunk * (sizeof(NAME(conv_run)) + NAME(conv_run_entries)(p) * sizeof(ptrdiff_t)));
    return at[3];
}

static int NAME(weight_block)(const conv_problem *p, const fastnn_pool_api *pool, ptrdiff_t group, ptrdiff_t part,
                              ptrdiff_t m0, ptrdiff_t m1, ptrdiff_t n0, ptrdiff_t n1)
{
    const ptrdiff_t width = TILE_VECS * LANES, stride = NAME(panel_stride)(p->chunk), image_step = p->groups * p->channels * p->plane;
    size_t at[4];
    char *memory = pool->scratch(NAME(weight_task_bytes)(p, at));
    if (!memory) return -1;
    REAL *a_pack = (REAL *)memory, *b_pack = (REAL *)(memory + at[0]), *lines = (REAL *)(memory + at[1]);
    NAME(conv_run) *runs = (NAME(conv_run) *)(memory + at[2]);
    ptrdiff_t *tables = (ptrdiff_t *)(runs + p->chunk);
    const REAL *x = (const REAL *)p->x + group * p->channels * p->plane, *end = (const REAL *)p->x + p->images * image_step;
    REAL *c = part ? (REAL *)p->partial + ((part - 1) * p->groups + group) * p->rows * p->depth
                   : (REAL *)p->out + group * p->rows * p->depth;
    const ptrdiff_t first = part * p->part_chunks * p->chunk, last = gemm_min(first + p->part_chunks * p->chunk, p->total);
    for (ptrdiff_t d0 = first; d0 < last; d0 += p->chunk) {
        const ptrdiff_t length = gemm_min(p->chunk, last - d0);
        int count = 0;
        for (ptrdiff_t done = 0, taken; done < length; done += taken) { /* the part of the chunk in each image */
            const ptrdiff_t image = (d0 + done) / p->pixels, q = (d0 + done) % p->pixels;
            taken = gemm_min(length - done, p->pixels - q);
            const int more = NAME(conv_runs)(p, q, taken, runs + count, tables + count * NAME(conv_run_entries)(p), image * image_step);
            for (int s = count; s < count + more; s++) runs[s].to += done;
            count += more;
            const REAL *g = (const REAL *)p->grad + (image * p->groups + group) * p->rows * p->pixels + q;
            REAL *a_panel = a_pack;
            for (ptrdiff_t i = m0, height; i < m1; i += height, a_panel += stride) {
                height = gemm_height(m1 - i);
                NAME(pack_a)(a_panel + done * TILE_ROWS, g + i * p->pixels, p->pixels, height, taken);
            }
        }
        const int flags = d0 > first ? GEMM_ADD : 0;
        for (ptrdiff_t j = n0; j < n1; j += width) {
            const ptrdiff_t taken = gemm_min(width, n1 - j);
            if (p->axis[2].in_step == 1) NAME(conv_rows)(p, lines, p->chunk, 1, x, end, runs, count, j, taken);
            else NAME(conv_rows)(p, lines, p->chunk, p->axis[2].in_step, x, end, runs, count, j, taken);
            NAME(pack_b)(b_pack, lines, p->chunk, 1, taken, length);
            const int vecs = taken <= LANES ? 1 : TILE_VECS;
            const REAL *a_panel = a_pack;
            for (ptrdiff_t i = m0, height; i < m1; i += height, a_panel += stride) {
                height = gemm_height(m1 - i);
                NAME(tile_fn) tile = NAME(tiles)[height - 1][vecs - 1];
                REAL *to = c + i * p->depth + j;
                if (taken < vecs * LANES)
                    NAME(edge_tile)(tile, height, taken, length, a_panel, 1, TILE_ROWS, b_pack, width, to, p->depth, NULL, flags);
                else tile(length, a_panel, 1, TILE_ROWS, b_pack, width, to, p->depth, NULL, flags);
            }
        }
    }
    return 0;
}

/* dW[first, last) += the other parts' sums, in order. */
static void NAME(weight_fold)(const conv_problem *p, ptrdiff_t first, ptrdiff_t last)
{
    const ptrdiff_t size = p->groups * p->rows * p->depth;
    REAL *to = p->out;
    for (ptrdiff_t part = 1; part < p->parts; part++) {
        const REAL *from = (const REAL *)p->partial + (part - 1) * size;
        for (ptrdiff_t i = first; i < last; i++) to[i] += from[i];
    }
}
