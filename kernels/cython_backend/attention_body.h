/* The algorithms of attention.h for one type; included by it once a type. WIDE queries lie across a panel. */

#define WIDE (TILE_VECS * LANES)

/* to[j * ld_to + i] = from[i * ld + j] for i < rows, j < columns. */
static void NAME(attention_turn)(REAL *to, ptrdiff_t ld_to, const REAL *from, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t columns)
{
    ptrdiff_t i = 0;
    for (; i + BLOCK <= rows; i += BLOCK) {
        ptrdiff_t j = 0;
        for (; j + BLOCK <= columns; j += BLOCK) NAME(transpose)(to + j * ld_to + i, ld_to, from + i * ld + j, ld);
        for (; j < columns; j++)
            for (int r = 0; r < BLOCK; r++) to[j * ld_to + i + r] = from[(i + r) * ld + j];
    }
    for (; i < rows; i++)
        for (ptrdiff_t j = 0; j < columns; j++) to[j * ld_to + i] = from[i * ld + j];
}

/* Panels of rows: to[panel][k][lane] = scale * row (panel * WIDE + lane)'s element k; lanes behind the last row: 0. */
static void NAME(attention_pack)(REAL *to, const REAL *from, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t depth, REAL scale)
{
    for (ptrdiff_t start = 0; start < rows; start += WIDE, from += WIDE * ld, to += WIDE * depth) {
        const ptrdiff_t taken = gemm_min(WIDE, rows - start);
        if (taken < WIDE) memset(to, 0, depth * WIDE * sizeof(REAL));
        NAME(attention_turn)(to, WIDE, from, ld, taken, depth);
        if (scale != 1)
            for (ptrdiff_t i = 0; i < depth * WIDE; i += LANES) NAME(store)(to + i, NAME(load)(to + i) * scale);
    }
}

/* C = A B, added to C where add. A's element (i, k) is a[i * rs + k * cs]; C has whole vectors of columns. */
static inline void NAME(attention_panel)(ptrdiff_t rows, ptrdiff_t depth, const REAL *a, ptrdiff_t rs, ptrdiff_t cs,
                                         const REAL *b, ptrdiff_t ldb, REAL *c, ptrdiff_t ldc, int add)
{
    for (ptrdiff_t i = 0, height; i < rows; i += height) {
        height = gemm_height(rows - i);
        NAME(tiles)[height - 1][TILE_VECS - 1](depth, a + i * rs, rs, cs, b, ldb, c + i * ldc, ldc, NULL, add ? GEMM_ADD : 0);
    }
}

/* C += A B with rows of B in memory as they are; edge holds a panel of B, for the columns behind the last vector. */
static void NAME(attention_product)(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t depth, const REAL *a, ptrdiff_t rs,
                                    ptrdiff_t cs, const REAL *b, ptrdiff_t ldb, REAL *c, ptrdiff_t ldc, REAL *edge)
{
    for (ptrdiff_t j = 0, taken; j < columns; j += taken) {
        const REAL *panel = b + j;
        ptrdiff_t ldp = ldb;
        const int vecs = columns - j >= WIDE ? TILE_VECS : 1;
        taken = gemm_min(vecs * LANES, columns - j);
        if (taken < LANES) {
            NAME(pack_b)(edge, panel, ldb, 0, taken, depth);
            panel = edge, ldp = WIDE;
        }
        for (ptrdiff_t i = 0, height; i < rows; i += height) {
            height = gemm_height(rows - i);
            NAME(tile_fn) tile = NAME(tiles)[height - 1][vecs - 1];
            if (taken < LANES)
                NAME(edge_tile)(tile, height, taken, depth, a + i * rs, rs, cs, panel, ldp, c + i * ldc + j, ldc, NULL, GEMM_ADD);
            else tile(depth, a + i * rs, rs, cs, panel, ldp, c + i * ldc + j, ldc, NULL, GEMM_ADD);
        }
    }
}

/* What the mask adds to the scores of a panel, to[k][lane]; returns whether anything is left to attend to. */
static int NAME(attention_mask)(const attention_problem *p, REAL *to, ptrdiff_t b, ptrdiff_t h, ptrdiff_t q0,
                                ptrdiff_t queries, ptrdiff_t k0, ptrdiff_t keys)
{
    const ptrdiff_t start = b * p->mask_batch + h * p->mask_head + q0 * p->mask_query + k0 * p->mask_key;
    const uint8_t *flag = (const uint8_t *)p->mask + start;
    const REAL *added = (const REAL *)p->mask + start;
    const int boolean = p->mask_kind == ATTENTION_BOOLEAN;
    const ptrdiff_t lanes = p->mask_query ? queries : 1, step = p->mask_key;
    if (queries < WIDE) memset(to, 0, keys * WIDE * sizeof(REAL));
    if (!boolean && lanes == queries && step == 1)
        NAME(attention_turn)(to, WIDE, added, p->mask_query, queries, keys);
    else
        for (ptrdiff_t q = 0; q < lanes; q++, flag += p->mask_query, added += p->mask_query)
            for (ptrdiff_t k = 0; k < keys; k++)
                to[k * WIDE + q] = boolean ? (flag[k * step] ? (REAL)0 : -INFINITY) : added[k * step];
    if (lanes < queries)
        for (ptrdiff_t k = 0; k < keys; k++)
            for (int v = 0; v < TILE_VECS; v++) NAME(store)(to + k * WIDE + v * LANES, NAME(splat)(to[k * WIDE]));
    for (ptrdiff_t k = 0; k < keys; k++)
        for (ptrdiff_t q = 0; q < queries; q++)
            if (to[k * WIDE + q] != -INFINITY) return 1;
    return 0;
}

/* to[k][lane] = 1 / keep where dropout keeps the probability of (query, key), else 0; words: one query's random words. */
static void NAME(attention_dropout)(const attention_problem *p, REAL *to, uint32_t *words, ptrdiff_t head, ptrdiff_t q0,
                                    ptrdiff_t queries, ptrdiff_t k0, ptrdiff_t keys)
{
    const REAL kept = (REAL)(1 / p->keep);
    for (ptrdiff_t q = 0; q < queries; q++) {
        const uint64_t first = (uint64_t)(head * p->queries + q0 + q) * (uint64_t)p->keys + (uint64_t)k0;
        const uint32_t *word = words + first % 4;
        philox_fill(p->seed, p->offset + first / 4, words, ((ptrdiff_t)(first % 4) + keys + 3) / 4);
        for (ptrdiff_t k = 0; k < keys; k++) to[k * WIDE + q] = word[k] >= p->threshold ? kept : 0;
    }
    for (ptrdiff_t k = 0; queries < WIDE && k < keys; k++)
        for (ptrdiff_t q = queries; q < WIDE; q++) to[k * WIDE + q] = 0;
}
#define ATTENTION_WORDS (ATTENTION_KEYS + 8 + 4 * PHILOX_STEP)

/* The first key that query q0 + lane may not see, relative to key k0. */
static inline VEC NAME(attention_horizon)(ptrdiff_t q0, ptrdiff_t k0, int vector)
{
    VEC lanes;
    for (int i = 0; i < LANES; i++) lanes[i] = (REAL)(vector * LANES + i);
    return lanes + (REAL)(q0 - k0 + 1);
}

/* The softmax's share of one tile: scores (in place: probabilities, not yet divided by their sum), running maxima and
 * sums. The accumulated output is scaled where a maximum rose. */
static void NAME(attention_online)(REAL *scores, const REAL *bias, ptrdiff_t keys, int causal, ptrdiff_t q0, ptrdiff_t k0,
                                   REAL *maxima, REAL *sums, REAL *out, ptrdiff_t value_width)
{
    VEC top[TILE_VECS], shift[TILE_VECS], total[TILE_VECS], horizon[TILE_VECS];
    for (int v = 0; v < TILE_VECS; v++) {
        top[v] = NAME(load)(maxima + v * LANES);
        total[v] = NAME(splat)(0);
        horizon[v] = NAME(attention_horizon)(q0, k0, v);
    }
    if (!bias && !causal) {
        for (ptrdiff_t k = 0; k < keys; k++)
            for (int v = 0; v < TILE_VECS; v++) top[v] = NAME(max)(NAME(load)(scores + k * WIDE + v * LANES), top[v]);
    } else {
        for (ptrdiff_t k = 0; k < keys; k++)
            for (int v = 0; v < TILE_VECS; v++) {
                REAL *at = scores + k * WIDE + v * LANES;
                VEC s = NAME(load)(at);
                if (bias) s += NAME(load)(bias + k * WIDE + v * LANES);
                if (causal) s = NAME(choose)(NAME(splat)((REAL)k) < horizon[v], s, NAME(splat)(-INFINITY));
                NAME(store)(at, s);
                top[v] = NAME(max)(s, top[v]);
            }
    }
    VEC rescale[TILE_VECS];
    int rose = 0;
    for (int v = 0; v < TILE_VECS; v++) {
        const VEC before = NAME(load)(maxima + v * LANES);
        /* Where nothing was seen yet the shift is 0, so that exp(-inf - shift) is 0 and not NaN. */
        shift[v] = NAME(choose)(top[v] == -INFINITY, NAME(splat)(0), top[v]);
        rescale[v] = NAME(vexp_negative)(before - shift[v]);
        rose |= memcmp(&before, &top[v], sizeof(VEC)) != 0;
        NAME(store)(maxima + v * LANES, top[v]);
    }
    for (ptrdiff_t k = 0; k < keys; k++)
#pragma GCC unroll 2
        for (int v = 0; v < TILE_VECS; v++) {
            REAL *at = scores + k * WIDE + v * LANES;
            VEC e = NAME(vexp_negative)(NAME(load)(at) - shift[v]);
            NAME(store)(at, e);
            total[v] += e;
        }
    for (int v = 0; v < TILE_VECS; v++)
        NAME(store)(sums + v * LANES, NAME(load)(sums + v * LANES) * rescale[v] + total[v]);
    if (!rose) return;
    for (ptrdiff_t f = 0; f < value_width; f++)
        for (int v = 0; v < TILE_VECS; v++) {
            REAL *at = out + f * WIDE + v * LANES;
            NAME(store)(at, NAME(load)(at) * rescale[v]);
        }
}

/* The end of a panel: out = accumulated / sum, turned into rows; lse = maximum + log(sum). */
static void NAME(attention_finish)(const REAL *maxima, const REAL *sums, REAL *accumulated, ptrdiff_t value_width,
                                   ptrdiff_t queries, REAL *out, ptrdiff_t ldo, REAL *lse)
{
    for (int v = 0; v < TILE_VECS; v++) {
        const VEC total = NAME(load)(sums + v * LANES);
        const VEC factor = NAME(choose)(total == (REAL)0, total, (REAL)1 / total);
        for (ptrdiff_t f = 0; f < value_width; f++) {
            REAL *at = accumulated + f * WIDE + v * LANES;
            NAME(store)(at, NAME(load)(at) * factor);
        }
    }
    NAME(attention_turn)(out, ldo, accumulated, WIDE, value_width, queries);
    for (ptrdiff_t q = 0; q < queries; q++)
        lse[q] = sums[q] == 0 ? (REAL)INFINITY : (REAL)(maxima[q] + log((double)sums[q]));
}

/* One block of queries of one head. */
static void NAME(attention_forward)(void *context, ptrdiff_t index)
{
    attention_problem *p = context;
    const ptrdiff_t blocks = gemm_ceil(p->queries, ATTENTION_QUERIES), head = index / blocks;
    const ptrdiff_t b = head / p->heads, h = head % p->heads, g = h / (p->heads / p->key_heads);
    /* The longest first, where later queries see more keys. */
    const ptrdiff_t q0 = (blocks - 1 - index % blocks) * ATTENTION_QUERIES;
    const ptrdiff_t queries = gemm_min(ATTENTION_QUERIES, p->queries - q0), panels = gemm_ceil(queries, WIDE);
    const ptrdiff_t width = p->width, value_width = p->value_width;
    const REAL *query = (const REAL *)p->query.data + b * p->query.batch + h * p->query.head + q0 * p->query.row;
    const REAL *key = (const REAL *)p->key.data + b * p->key.batch + g * p->key.head;
    const REAL *value = (const REAL *)p->value.data + b * p->value.batch + g * p->value.head;
    REAL *out = (REAL *)p->out.data + b * p->out.batch + h * p->out.head + q0 * p->out.row;
    REAL *lse = (REAL *)p->lse + head * p->queries + q0;

    const ptrdiff_t tile = ATTENTION_KEYS * WIDE;
    REAL *packed = p->pool->scratch((ATTENTION_QUERIES * (width + value_width + 2) + 3 * tile) * sizeof(REAL)
                                    + ATTENTION_WORDS * sizeof(uint32_t));
    if (!packed) {
        p->failed = 1;
        return;
    }
    REAL *accumulated = packed + ATTENTION_QUERIES * width, *maxima = accumulated + ATTENTION_QUERIES * value_width;
    REAL *sums = maxima + ATTENTION_QUERIES, *scores = sums + ATTENTION_QUERIES, *bias = scores + tile, *drop = bias + tile;
    uint32_t *words = (uint32_t *)(drop + tile);
    NAME(attention_pack)(packed, query, p->query.row, queries, width, (REAL)p->scale);
    memset(accumulated, 0, ATTENTION_QUERIES * value_width * sizeof(REAL));
    for (ptrdiff_t i = 0; i < ATTENTION_QUERIES; i++) maxima[i] = -INFINITY, sums[i] = 0;

    const ptrdiff_t seen = p->causal ? gemm_min(p->keys, q0 + queries) : p->keys;
    for (ptrdiff_t k0 = 0; k0 < seen; k0 += ATTENTION_KEYS) {
        for (ptrdiff_t panel = 0; panel < panels; panel++) {
            const ptrdiff_t first = q0 + panel * WIDE, taken = gemm_min(WIDE, p->queries - first);
            const ptrdiff_t end = gemm_min(k0 + ATTENTION_KEYS, p->causal ? gemm_min(p->keys, first + taken) : p->keys);
            const ptrdiff_t keys = end - k0;
            if (keys <= 0) continue;
            if (p->mask_kind && !NAME(attention_mask)(p, bias, b, h, first, taken, k0, keys)) continue;
            REAL *sum = accumulated + panel * WIDE * value_width;
            NAME(attention_panel)(keys, width, key + k0 * p->key.row, p->key.row, 1, packed + panel * WIDE * width, WIDE,
                                  scores, WIDE, 0);
            NAME(attention_online)(scores, p->mask_kind ? bias : NULL, keys, p->causal && end - 1 > first, first, k0,
                                   maxima + panel * WIDE, sums + panel * WIDE, sum, value_width);
            if (p->keep < 1) {
                NAME(attention_dropout)(p, drop, words, head, first, taken, k0, keys);
                for (ptrdiff_t i = 0; i < keys * WIDE; i += LANES)
                    NAME(store)(scores + i, NAME(load)(scores + i) * NAME(load)(drop + i));
            }
            NAME(attention_panel)(value_width, keys, value + k0 * p->value.row, 1, p->value.row, scores, WIDE, sum, WIDE, 1);
        }
    }
    for (ptrdiff_t panel = 0; panel < panels; panel++) {
        const ptrdiff_t first = panel * WIDE;
        NAME(attention_finish)(maxima + first, sums + first, accumulated + first * value_width, value_width,
                               gemm_min(WIDE, queries - first), out + first * p->out.row, p->out.row, lse + first);
    }
}

/* Backward's element-wise part of one panel and tile: scores become probabilities (as dropout left them), slopes
 * (grad value^T) become the scores' gradients. Rows of both are ATTENTION_QUERIES long. */
static void NAME(attention_slopes)(REAL *scores, REAL *slopes, const REAL *bias, const REAL *drop, ptrdiff_t keys, int causal,
                                   ptrdiff_t q0, ptrdiff_t k0, const REAL *lse, const REAL *means, REAL scale)
{
    VEC shift[TILE_VECS], mean[TILE_VECS], horizon[TILE_VECS];
    for (int v = 0; v < TILE_VECS; v++) {
        shift[v] = NAME(load)(lse + v * LANES);
        mean[v] = NAME(load)(means + v * LANES);
        horizon[v] = NAME(attention_horizon)(q0, k0, v);
    }
    for (ptrdiff_t k = 0; k < keys; k++)
#pragma GCC unroll 2
        for (int v = 0; v < TILE_VECS; v++) {
            const ptrdiff_t wide = k * ATTENTION_QUERIES + v * LANES, narrow = k * WIDE + v * LANES;
            VEC s = NAME(load)(scores + wide), d = NAME(load)(slopes + wide);
            if (bias) s += NAME(load)(bias + narrow);
            if (causal) s = NAME(choose)(NAME(splat)((REAL)k) < horizon[v], s, NAME(splat)(-INFINITY));
            VEC e = NAME(vexp_negative)(s - shift[v]), kept = e;
            if (drop) {
                const VEC factor = NAME(load)(drop + narrow);
                kept = e * factor, d *= factor;
            }
            NAME(store)(scores + wide, kept);
            NAME(store)(slopes + wide, e * (d - mean[v]) * scale);
        }
}

/* What one block of queries of head h adds to the gradients of one chunk of keys and values, and its own. */
static void NAME(attention_backward_block)(const attention_problem *p, ptrdiff_t b, ptrdiff_t h, ptrdiff_t q0, ptrdiff_t start,
                                           ptrdiff_t stop, REAL *grad_query, REAL *scratch)
{
    const ptrdiff_t width = p->width, value_width = p->value_width, g = h / (p->heads / p->key_heads);
    const ptrdiff_t queries = gemm_min(ATTENTION_QUERIES, p->queries - q0), panels = gemm_ceil(queries, WIDE);
    const ptrdiff_t tile = ATTENTION_KEYS * ATTENTION_QUERIES, narrow = ATTENTION_KEYS * WIDE, head = b * p->heads + h;
    const REAL *query = (const REAL *)p->query.data + b * p->query.batch + h * p->query.head + q0 * p->query.row;
    const REAL *key = (const REAL *)p->key.data + b * p->key.batch + g * p->key.head;
    const REAL *value = (const REAL *)p->value.data + b * p->value.batch + g * p->value.head;
    const REAL *out = (const REAL *)p->out.data + b * p->out.batch + h * p->out.head + q0 * p->out.row;
    const REAL *grad = (const REAL *)p->grad.data + b * p->grad.batch + h * p->grad.head + q0 * p->grad.row;
    REAL *grad_key = (REAL *)p->grad_key.data + b * p->grad_key.batch + g * p->grad_key.head;
    REAL *grad_value = (REAL *)p->grad_value.data + b * p->grad_value.batch + g * p->grad_value.head;
    REAL *packed_query = scratch, *packed_grad = packed_query + ATTENTION_QUERIES * width;
    REAL *lse = packed_grad + ATTENTION_QUERIES * value_width, *means = lse + ATTENTION_QUERIES;
    REAL *scores = means + ATTENTION_QUERIES, *slopes = scores + tile, *bias = slopes + tile, *drop = bias + narrow;
    REAL *edge = drop + narrow;
    uint32_t *words = (uint32_t *)(edge + narrow);

    NAME(attention_pack)(packed_query, query, p->query.row, queries, width, (REAL)p->scale);
    NAME(attention_pack)(packed_grad, grad, p->grad.row, queries, value_width, 1);
    for (ptrdiff_t q = 0; q < ATTENTION_QUERIES; q++) {
        lse[q] = q < queries ? ((const REAL *)p->lse)[head * p->queries + q0 + q] : (REAL)INFINITY;
        means[q] = q < queries ? (REAL)NAME(row_dot)(grad + q * p->grad.row, out + q * p->out.row, 0, value_width) : 0;
    }
    const ptrdiff_t seen = p->causal ? gemm_min(stop, q0 + queries) : stop;
    for (ptrdiff_t k0 = start; k0 < seen; k0 += ATTENTION_KEYS) {
        const ptrdiff_t keys = gemm_min(ATTENTION_KEYS, seen - k0);
        /* Panels whose last query lies before the tile's first key see nothing of it. */
        const ptrdiff_t skipped = p->causal && k0 > q0 ? (k0 - q0) / WIDE : 0, from = skipped * WIDE;
        int any = 0;
        for (ptrdiff_t panel = skipped; panel < panels; panel++) {
            const ptrdiff_t first = q0 + panel * WIDE, taken = gemm_min(WIDE, p->queries - first);
            REAL *score = scores + panel * WIDE, *slope = slopes + panel * WIDE;
            if (p->mask_kind && !NAME(attention_mask)(p, bias, b, h, first, taken, k0, keys)) {
                for (ptrdiff_t k = 0; k < keys; k++) {
                    memset(score + k * ATTENTION_QUERIES, 0, WIDE * sizeof(REAL));
                    memset(slope + k * ATTENTION_QUERIES, 0, WIDE * sizeof(REAL));
                }
                continue;
            }
            any = 1;
            NAME(attention_panel)(keys, width, key + k0 * p->key.row, p->key.row, 1, packed_query + panel * WIDE * width,
                                  WIDE, score, ATTENTION_QUERIES, 0);
            NAME(attention_panel)(keys, value_width, value + k0 * p->value.row, p->value.row, 1,
                                  packed_grad + panel * WIDE * value_width, WIDE, slope, ATTENTION_QUERIES, 0);
            if (p->keep < 1) NAME(attention_dropout)(p, drop, words, head, first, taken, k0, keys);
            NAME(attention_slopes)(score, slope, p->mask_kind ? bias : NULL, p->keep < 1 ? drop : NULL, keys,
                                   p->causal && k0 + keys - 1 > first, first, k0, lse + panel * WIDE, means + panel * WIDE,
                                   (REAL)p->scale);
        }
        if (!any) continue;
        NAME(attention_product)(keys, value_width, queries - from, scores + from, ATTENTION_QUERIES, 1,
                                grad + from * p->grad.row, p->grad.row, grad_value + k0 * p->grad_value.row,
                                p->grad_value.row, edge);
        NAME(attention_product)(keys, width, queries - from, slopes + from, ATTENTION_QUERIES, 1,
                                query + from * p->query.row, p->query.row, grad_key + k0 * p->grad_key.row, p->grad_key.row,
                                edge);
        NAME(attention_product)(queries - from, width, keys, slopes + from, 1, ATTENTION_QUERIES, key + k0 * p->key.row,
                                p->key.row, grad_query + (q0 + from) * p->grad_query.row, p->grad_query.row, edge);
    }
}

/* One chunk of the keys of one of their heads, with all queries of the heads that share it, in order. */
static void NAME(attention_backward)(void *context, ptrdiff_t index)
{
    attention_problem *p = context;
    const ptrdiff_t chunk = index % p->chunks, b = index / p->chunks / p->key_heads, g = index / p->chunks % p->key_heads;
    const ptrdiff_t length = gemm_ceil(p->keys, p->chunks), shared = p->heads / p->key_heads;
    const ptrdiff_t start = gemm_min(p->keys, chunk * length), stop = gemm_min(p->keys, start + length);
    const ptrdiff_t width = p->width, value_width = p->value_width;
    REAL *scratch = p->pool->scratch((ATTENTION_QUERIES * (width + value_width + 2) + 2 * ATTENTION_KEYS * ATTENTION_QUERIES
                                      + 3 * ATTENTION_KEYS * WIDE) * sizeof(REAL) + ATTENTION_WORDS * sizeof(uint32_t));
    if (!scratch) {
        p->failed = 1;
        return;
    }
    REAL *grad_key = (REAL *)p->grad_key.data + b * p->grad_key.batch + g * p->grad_key.head;
    REAL *grad_value = (REAL *)p->grad_value.data + b * p->grad_value.batch + g * p->grad_value.head;
    for (ptrdiff_t k = start; k < stop; k++) {
        memset(grad_key + k * p->grad_key.row, 0, width * sizeof(REAL));
        memset(grad_value + k * p->grad_value.row, 0, value_width * sizeof(REAL));
    }
    for (ptrdiff_t h = g * shared; h < (g + 1) * shared; h++) {
        REAL *grad_query = (REAL *)p->grad_query.data + chunk * p->chunk_step + b * p->grad_query.batch + h * p->grad_query.head;
        for (ptrdiff_t q = 0; q < p->queries; q++) memset(grad_query + q * p->grad_query.row, 0, width * sizeof(REAL));
        for (ptrdiff_t q0 = 0; q0 < p->queries; q0 += ATTENTION_QUERIES)
            NAME(attention_backward_block)(p, b, h, q0, start, stop, grad_query, scratch);
    }
}

/* The chunks' gradients of one head's queries, added in order. */
static void NAME(attention_fold)(void *context, ptrdiff_t index)
{
    const attention_problem *p = context;
    const attention_array *to = &p->folded;
    REAL *sum = (REAL *)to->data + index / p->heads * to->batch + index % p->heads * to->head;
    const REAL *part = (const REAL *)p->grad_query.data + index * p->queries * p->width;
    for (ptrdiff_t q = 0; q < p->queries; q++, sum += to->row, part += p->width)
        for (ptrdiff_t k = 0; k < p->width; k++) {
            REAL total = part[k];
            for (ptrdiff_t chunk = 1; chunk < p->chunks; chunk++) total += part[chunk * p->chunk_step + k];
            sum[k] = total;
        }
}

#undef WIDE
#undef ATTENTION_WORDS
