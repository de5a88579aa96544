/* Convolutions of 3 x 3 taps and stride 1 in float32 by F(4 x 4, 3 x 3): 36 multiplications for 16 outputs instead of 144
 * (Winograd 1980; Lavin and Gray 2016).
 *
 * A tile is 4 x 4 outputs of one image and channel, and the 6 x 6 inputs they read. With U = G w G^T of each pair of
 * channels and V = B^T d B of each tile and input channel, the outputs are A^T (sum over channels of U V) A: for each of 36
 * places one product of matrices, rows x channels by channels x tiles. The relative error is about 1e-5.
 *
 * A number that is not finite reaches more outputs of its tile than it should, none of which is finite then. So a tile
 * with such an output is computed again, tap by tap. */
#define WINO_PLACES 36
#define WINO_U_SIZE 4194304      /* most numbers of U at a time: rows are taken in blocks */
#define WINO_BYTES 3000000       /* of V and the products, about */
#define WINO_TILES 112           /* most tiles a task */

typedef struct {
    const conv_problem *p;
    const fastnn_pool_api *pool;
    ptrdiff_t tiles_h, tiles_w, tiles, each, pitch; /* in a column, in a row, in all; of a task; numbers a row of V */
    ptrdiff_t base_h, base_w, first, rows, panels, stride, place; /* rows of this block of U; its panels, and their distances */
    ptrdiff_t taps[9];           /* places of the taps in the kernel, as they lie in the image */
    size_t task_bytes;
    float *u;
    int failed;
} wino_job;

static inline ptrdiff_t wino_pitch(ptrdiff_t tiles)
{
    const ptrdiff_t line = 64 / sizeof(float), lines = gemm_ceil(tiles + LANES_F32, line); /* an odd number, see GEMM's panels */
    return (lines + !(lines & 1)) * line + (TILE_VECS * LANES_F32 > line ? 2 * line : 0);
}

/* v = B^T d for six vectors. */
static inline void wino_input(const vf32 d[6], vf32 v[6])
{
    const vf32 even = d[4] - 4 * d[2], odd = d[3] - 4 * d[1], half_even = d[4] - d[2], half_odd = 2 * (d[3] - d[1]);
    v[0] = 4 * d[0] - 5 * d[2] + d[4];
    v[1] = even + odd;
    v[2] = even - odd;
    v[3] = half_even + half_odd;
    v[4] = half_even - half_odd;
    v[5] = 4 * d[1] - 5 * d[3] + d[5];
}

/* y = A^T m. */
static inline void wino_output(const vf32 m[6], vf32 y[4])
{
    const vf32 s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4];
    y[0] = m[0] + s1 + s2;
    y[1] = d1 + 2 * d2;
    y[2] = s1 + 4 * s2;
    y[3] = d1 + 8 * d2 + m[5];
}

/* u = G w. */
static inline void wino_weight(const vf32 w[3], vf32 u[6])
{
    const vf32 outer = (w[0] + w[2]) * (-1.0f / 6), middle = w[1] * (1.0f / 6);
    const vf32 far = w[0] * (1.0f / 24) + w[2] * (1.0f / 6), half = w[1] * (1.0f / 12);
    u[0] = w[0] * 0.25f;
    u[1] = outer - middle;
    u[2] = outer + middle;
    u[3] = far + half;
    u[4] = far - half;
    u[5] = w[2];
}

/* U of one panel of rows: u[place][panel][channel][row of the panel]. Whole vectors are stored, each over the end of the one
 * before; behind a panel there is room. */
static void wino_weights_task(void *context, ptrdiff_t panel)
{
    wino_job *job = context;
    const conv_problem *p = job->p;
    ptrdiff_t i = 0, height = 0;
    for (ptrdiff_t k = 0; k <= panel; k++) i += height, height = gemm_height(job->rows - i);
    const float *w = (const float *)p->w + (job->first + i) * p->w_row;
    for (ptrdiff_t c = 0; c < p->channels; c++, w += p->w_channel)
        for (ptrdiff_t r = 0; r < height; r += LANES_F32) {
            float lanes[9][LANES_F32];
            const ptrdiff_t count = gemm_min(LANES_F32, height - r);
            for (int t = 0; t < 9; t++)
                for (ptrdiff_t k = 0; k < LANES_F32; k++) lanes[t][k] = w[(r + (k < count ? k : 0)) * p->w_row + job->taps[t]];
            vf32 half[3][6];
            for (int x = 0; x < 3; x++) {
                const vf32 column[3] = {load_f32(lanes[x]), load_f32(lanes[3 + x]), load_f32(lanes[6 + x])};
                wino_weight(column, half[x]);
            }
            float *to = job->u + panel * job->stride + c * TILE_ROWS + r;
            for (int y = 0; y < 6; y++) {
                const vf32 row[3] = {half[0][y], half[1][y], half[2][y]};
                vf32 u[6];
                wino_weight(row, u);
                for (int x = 0; x < 6; x++) store_f32(to + (y * 6 + x) * job->place, u[x]);
            }
        }
}

/* memcpy of n numbers; a call takes longer than a line of 14 of them. */
static inline void wino_copy(float *to, const float *from, ptrdiff_t n)
{
    for (; n >= LANES_F32; n -= LANES_F32, to += LANES_F32, from += LANES_F32) store_f32(to, load_f32(from));
    if (n) store_part_f32(to, load_part_f32(from, n, 0), n);
}

/* V of `count` tiles of one row of tiles: v[place * v_place + channel * pitch + tile]. lines: room for two sets of six rows. */
static void wino_inputs(const wino_job *job, ptrdiff_t image, ptrdiff_t ty, ptrdiff_t tx, ptrdiff_t count, float *v, float *lines,
                        ptrdiff_t line)
{
    const conv_problem *p = job->p;
    const ptrdiff_t height = p->axis[1].extent, width = p->axis[2].extent, span = 4 * count + 2, v_place = p->channels * job->pitch;
    const ptrdiff_t h0 = 4 * ty + job->base_h, w0 = 4 * tx + job->base_w, skip = gemm_min(w0 < 0 ? -w0 : 0, span);
    const ptrdiff_t inside = gemm_min(span, width - w0) - skip, quads = gemm_round(count + 1, 4), pitch = line / 4;
    float *phases = lines + 6 * line; /* phases[phase * pitch + tile] of one row, four times */
    for (int r = 0; r < 6; r++) memset(lines + r * line, 0, line * sizeof(float));
    for (ptrdiff_t c = 0; c < p->channels; c++, v += job->pitch) {
        const float *plane = (const float *)p->x + (image * p->channels + c) * p->plane;
        for (int r = 0; r < 6; r++) {
            const ptrdiff_t h = h0 + r;
            if (h < 0 || h >= height || inside <= 0) memset(lines + r * line, 0, span * sizeof(float));
            else wino_copy(lines + r * line + skip, plane + h * width + w0 + skip, inside);
        }
        for (ptrdiff_t i = 0; i < span; i += LANES_F32) {
            vf32 d[6], t[6];
            for (int r = 0; r < 6; r++) d[r] = load_f32(lines + r * line + i);
            wino_input(d, t);
            for (int r = 0; r < 6; r++) store_f32(phases + 4 * pitch + r * line + i, t[r]);
        }
        for (int y = 0; y < 6; y++) {
            const float *from = phases + 4 * pitch + y * line;
            for (ptrdiff_t t = 0; t < quads; t += 4) transpose_f32(phases + t, pitch, from + 4 * t, 4);
            for (ptrdiff_t t = 0; t < count; t += LANES_F32) {
                vf32 d[6], to[6];
                for (int x = 0; x < 4; x++) d[x] = load_f32(phases + x * pitch + t);
                for (int x = 0; x < 2; x++) d[4 + x] = load_f32(phases + x * pitch + t + 1);
                wino_input(d, to);
                for (int x = 0; x < 6; x++) store_f32(v + (y * 6 + x) * v_place + t, to[x]);
            }
        }
    }
}

/* The outputs of one tile and row (output channel), tap by tap. */
static void wino_directly(const wino_job *job, ptrdiff_t image, ptrdiff_t row, ptrdiff_t ty, ptrdiff_t tx)
{
    const conv_problem *p = job->p;
    const ptrdiff_t out_h = p->axis[1].count, out_w = p->axis[2].count, height = p->axis[1].extent, width = p->axis[2].extent;
    const float bias = p->bias ? ((const float *)p->bias)[row] : 0;
    const float *w = (const float *)p->w + row * p->w_row;
    float *out = (float *)p->out + (image * p->rows + row) * p->out_plane;
    for (ptrdiff_t y = 4 * ty; y < gemm_min(4 * ty + 4, out_h); y++)
        for (ptrdiff_t x = 4 * tx; x < gemm_min(4 * tx + 4, out_w); x++) {
            float sum = 0;
            for (ptrdiff_t c = 0; c < p->channels; c++) {
                const float *plane = (const float *)p->x + (image * p->channels + c) * p->plane;
                for (int t = 0; t < 9; t++) {
                    const ptrdiff_t h = y + job->base_h + t / 3, v = x + job->base_w + t % 3;
                    const float value = h >= 0 && h < height && v >= 0 && v < width ? plane[h * width + v] : 0;
                    sum += value * w[c * p->w_channel + job->taps[t]];
                }
            }
            sum += bias;
            out[y * out_w + x] = p->flags & GEMM_RELU && sum <= 0 ? 0 : sum;
        }
}

/* The outputs of `count` tiles of one row of tiles, from the products m[place * m_place + row * pitch + tile]. */
static void wino_outputs(const wino_job *job, ptrdiff_t image, ptrdiff_t ty, ptrdiff_t tx, ptrdiff_t count, const float *m, float *lines,
                         ptrdiff_t line)
{
    const conv_problem *p = job->p;
    const ptrdiff_t out_w = p->axis[2].count, rows_left = gemm_min(4, p->axis[1].count - 4 * ty), m_place = job->rows * job->pitch;
    const ptrdiff_t taken = gemm_min(4 * count, out_w - 4 * tx), pitch = line / 4;
    float *columns = lines, *wide = lines + 4 * line; /* columns[(y * 4 + x) * pitch + tile] */
    for (ptrdiff_t row = 0; row < job->rows; row++, m += job->pitch) {
        const ptrdiff_t channel = job->first + row;
        const vf32 bias = splat_f32(p->bias ? ((const float *)p->bias)[channel] : 0);
        float *out = (float *)p->out + (image * p->rows + channel) * p->out_plane + 4 * ty * out_w + 4 * tx;
        for (ptrdiff_t t = 0; t < count; t += LANES_F32) {
            vf32 half[4][6], odd = {0};
            for (int x = 0; x < 6; x++) {
                vf32 column[6], y[4];
                for (int k = 0; k < 6; k++) column[k] = load_f32(m + (k * 6 + x) * m_place + t);
                wino_output(column, y);
                for (int k = 0; k < 4; k++) half[k][x] = y[k];
            }
            for (int y = 0; y < 4; y++) {
                vf32 to[4];
                wino_output(half[y], to);
                for (int x = 0; x < 4; x++) {
                    odd += to[x] * 0;
                    to[x] += bias;
                    if (p->flags & GEMM_RELU) to[x] = relu_f32(to[x]);
                    store_f32(columns + (y * 4 + x) * pitch + t, to[x]);
                }
            }
            store_f32(wide + 4 * line + t, odd);
        }
        for (int y = 0; y < rows_left; y++) {
            for (ptrdiff_t t = 0; t < count; t += 4) transpose_f32(wide + 4 * t, 4, columns + y * 4 * pitch + t, pitch);
            wino_copy(out + y * out_w, wide, taken);
        }
        for (ptrdiff_t t = 0; t < count; t++)
            if (!(wide[4 * line + t] == 0)) wino_directly(job, image, channel, ty, tx + t);
    }
}

static void wino_task(void *context, ptrdiff_t index)
{
    wino_job *job = context;
    const conv_problem *p = job->p;
    const ptrdiff_t first = index * job->each, last = gemm_min(first + job->each, job->tiles), pitch = job->pitch;
    const ptrdiff_t v_place = p->channels * pitch, m_place = job->rows * pitch, width = TILE_VECS * LANES_F32, kc = conv_kc_f32(p->channels);
    float *v = job->pool->scratch(job->task_bytes);
    if (!v) {
        job->failed = 1;
        return;
    }
    float *m = v + WINO_PLACES * v_place, *lines = m + WINO_PLACES * m_place;
    const ptrdiff_t line = gemm_round(4 * (gemm_min(job->each, job->tiles_w) + 4), 16) + 4 * LANES_F32;
    for (int part = 0; part < 3; part++) {
        if (part == 1) {
            for (ptrdiff_t k = 0; k < p->channels; k += kc)
                for (int place = 0; place < WINO_PLACES; place++)
                    for (ptrdiff_t q = 0; q < last - first; q += width) {
                        const float *a = job->u + place * job->place + k * TILE_ROWS;
                        for (ptrdiff_t i = 0, height; i < job->rows; i += height, a += job->stride) {
                            height = gemm_height(job->rows - i);
                            tiles_f32[height - 1][TILE_VECS - 1](gemm_min(kc, p->channels - k), a, 1, TILE_ROWS,
                                                                 v + place * v_place + k * pitch + q, pitch,
                                                                 m + place * m_place + i * pitch + q, pitch, NULL, k ? GEMM_ADD : 0);
                        }
                    }
            continue;
        }
        for (ptrdiff_t q = first, count; q < last; q += count) {
            const ptrdiff_t tx = q % job->tiles_w, ty = q / job->tiles_w % job->tiles_h, image = q / (job->tiles_w * job->tiles_h);
            count = gemm_min(job->tiles_w - tx, last - q);
            if (part == 0) wino_inputs(job, image, ty, tx, count, v + (q - first), lines, line);
            else wino_outputs(job, image, ty, tx, count, m + (q - first), lines, line);
        }
    }
}

/* Whether it pays: enough channels, enough tiles to make up for the weights' transform, and little of them wasted. */
static int conv_winograd(const conv_problem *p)
{
    const conv_axis *a = p->axis;
    if (p->is_double || p->groups != 1 || p->taps != 9 || a[1].taps != 3 || a[2].taps != 3 || a[0].extent != 1 || a[0].count != 1) return 0;
    if (a[0].in_base || p->strided_out || a[1].in_step != 1 || a[2].in_step != 1) return 0;
    if (a[1].in_tap != a[2].in_tap || (a[1].in_tap != 1 && a[1].in_tap != -1)) return 0;
    if (p->channels < 16 || p->rows < 16 || p->channels > 4096) return 0;
    const double tiles = (double)gemm_ceil(a[1].count, 4) * gemm_ceil(a[2].count, 4);
    return tiles * p->images >= 24 && tiles * 4 <= 0.6 * p->pixels;
}

/* A convolution that conv_winograd says yes to. -1 without memory. */
static int wino_run(const fastnn_pool_api *pool, const conv_problem *p)
{
    wino_job job = {.p = p, .pool = pool};
    const conv_axis *a = p->axis;
    const int flipped = a[1].in_tap < 0;
    const ptrdiff_t threads = pool->threads();
    ptrdiff_t places[9];
    conv_tap_places(p, places);
    for (int t = 0; t < 9; t++) job.taps[t] = places[flipped ? 8 - t : t];
    job.base_h = a[1].in_base - (flipped ? 2 : 0);
    job.base_w = a[2].in_base - (flipped ? 2 : 0);
    job.tiles_h = gemm_ceil(a[1].count, 4);
    job.tiles_w = gemm_ceil(a[2].count, 4);
    job.tiles = p->images * job.tiles_h * job.tiles_w;
    job.stride = p->channels * TILE_ROWS + gemm_round(TILE_ROWS, LANES_F32) + 2 * LANES_F32;
    const ptrdiff_t blocks = gemm_ceil(p->rows * p->channels, WINO_U_SIZE / WINO_PLACES);
    const ptrdiff_t rows = gemm_round(gemm_ceil(p->rows, blocks), TILE_ROWS);
    const ptrdiff_t most = gemm_min(WINO_TILES, WINO_BYTES / ((p->channels + gemm_min(rows, p->rows)) * WINO_PLACES * (ptrdiff_t)sizeof(float)));
    const ptrdiff_t least = gemm_ceil(job.tiles, threads * gemm_ceil(job.tiles, threads * (most < 16 ? 16 : most)));
    job.each = gemm_round(least, 16) <= WINO_TILES ? gemm_round(least, 16) : least;
    job.pitch = wino_pitch(gemm_round(job.each, TILE_VECS * LANES_F32));
    const ptrdiff_t line = gemm_round(4 * (gemm_min(job.each, job.tiles_w) + 4), 16) + 4 * LANES_F32;
    for (job.first = 0; job.first < p->rows; job.first += rows) {
        job.rows = gemm_min(rows, p->rows - job.first);
        job.panels = 0;
        for (ptrdiff_t i = 0; i < job.rows; i += gemm_height(job.rows - i)) job.panels++;
        job.place = job.panels * job.stride;
        job.task_bytes = conv_bytes((WINO_PLACES * (p->channels + job.rows) * job.pitch + 14 * line + 4 * LANES_F32) * sizeof(float));
        /* U stands behind the memory that this thread's own tasks use. */
        char *memory = pool->scratch(job.task_bytes + WINO_PLACES * job.place * sizeof(float));
        if (!memory) return -1;
        job.u = (float *)(memory + job.task_bytes);
        pool->run(wino_weights_task, &job, job.panels);
        pool->run(wino_task, &job, gemm_ceil(job.tiles, job.each));
    }
    return job.failed ? -1 : 0;
}
