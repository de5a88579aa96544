/* Scaled dot-product attention by tiles, with the softmax made as the tiles come (Milakov and Gimelshein 2018; Dao,
 * Fu, Ermon, Rudra and Re 2022): no matrix of queries x keys is ever held.
 *
 * The scores of a tile are computed transposed, keys down and queries across: then a vector holds one key's scores for
 * LANES queries, the softmax needs no sum across lanes, keys and values are read in place (the micro-kernels broadcast
 * them), and only the queries are packed. attention_body.h holds the code once and is included twice.
 */
#ifndef FASTNN_ATTENTION_H
#define FASTNN_ATTENTION_H

#include "gemm.h"
#include "philox.h"
#include "rows.h"

/* Queries a block; keys a tile: whole micro-tiles, and small enough that keys and values stay in the L1 cache with
 * the scores while they meet all queries of a block (forward), or in L2 (backward). */
#define ATTENTION_QUERIES 64
#define ATTENTION_KEYS (96 / TILE_ROWS * TILE_ROWS)

enum { ATTENTION_NO_MASK, ATTENTION_BOOLEAN, ATTENTION_ADDED };

/* An array of four axes (batch, head, row, element), the last of which is contiguous; steps in elements. */
typedef struct {
    void *data;
    ptrdiff_t batch, head, row;
} attention_array;

typedef struct {
    attention_array query, key, value, out, grad, grad_query, grad_key, grad_value;
    attention_array folded;    /* where the chunks' grad_query are added up; its data are NULL where there is but one */
    void *lse;                 /* (batch, heads, queries), dense: log of the sum of exponentials; inf where all is masked */
    const void *mask;
    ptrdiff_t mask_batch, mask_head, mask_query, mask_key; /* steps in elements, 0 along what is broadcast */
    ptrdiff_t batch, heads, key_heads, queries, keys, width, value_width;
    ptrdiff_t chunks;          /* backward: the keys are cut in so many; where folded: grad_query is (chunks, batch, heads, ...), dense */
    ptrdiff_t chunk_step;      /* from one chunk's grad_query to the next, in elements */
    double scale, keep;        /* keep = 1 - p of dropout; 1: none */
    uint64_t seed, offset;
    uint32_t threshold;
    int mask_kind, causal, is_double;
    const fastnn_pool_api *pool;
    int failed;
} attention_problem;

#define NAME(name) GEMM_JOIN(name, _f32)
#define REAL float
#define VEC vf32
#define IVEC vi32
#define INTEGER int32_t
#define LANES LANES_F32
#define BLOCK 4
#include "attention_body.h"
#undef NAME
#undef REAL
#undef VEC
#undef IVEC
#undef INTEGER
#undef LANES
#undef BLOCK

#define NAME(name) GEMM_JOIN(name, _f64)
#define REAL double
#define VEC vf64
#define IVEC vi64
#define INTEGER int64_t
#define LANES LANES_F64
#define BLOCK 2
#include "attention_body.h"
#undef NAME
#undef REAL
#undef VEC
#undef IVEC
#undef INTEGER
#undef LANES
#undef BLOCK

/* Returns -1 where there was no memory for a tile's scratch: the outputs are then incomplete. */
static int attention_forward_run(const fastnn_pool_api *pool, attention_problem *p)
{
    p->pool = pool;
    p->failed = 0;
    const ptrdiff_t blocks = gemm_ceil(p->queries, ATTENTION_QUERIES);
    pool->run(p->is_double ? attention_forward_f64 : attention_forward_f32, p, p->batch * p->heads * blocks);
    return p->failed ? -1 : 0;
}

static int attention_backward_run(const fastnn_pool_api *pool, attention_problem *p)
{
    p->pool = pool;
    p->failed = 0;
    pool->run(p->is_double ? attention_backward_f64 : attention_backward_f32, p, p->batch * p->key_heads * p->chunks);
    if (p->folded.data) pool->run(p->is_double ? attention_fold_f64 : attention_fold_f32, p, p->batch * p->heads);
    return p->failed ? -1 : 0;
}

#endif
