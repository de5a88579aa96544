/* Philox-4x32-7 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011), a vector of
 * blocks at a time: a 64-bit lane carries one 32-bit word of one block, its high half is ignored. */
#ifndef FASTNN_PHILOX_H
#define FASTNN_PHILOX_H

#include "lanes.h"

#define PHILOX_ROUNDS 7

typedef struct { vu64 word[4]; } philox_lanes;

static inline philox_lanes philox_round(philox_lanes c, uint64_t key0, uint64_t key1) {
    vu64 p = multiply_low(c.word[0], (vu64){0} + 0xD2511F53u);
    vu64 q = multiply_low(c.word[2], (vu64){0} + 0xCD9E8D57u);
    return (philox_lanes){{(q >> 32) ^ c.word[1] ^ key0, q, (p >> 32) ^ c.word[3] ^ key1, p}};
}

/* Lane j works on block (j & 1) * LANES_F64 / 2 + j / 2, so that pairs of lanes come out in the blocks' order. */
static inline philox_lanes philox_counters(uint64_t first) {
    vu64 counter;
    for (int j = 0; j < LANES_F64; j++) counter[j] = first + (uint64_t)((j & 1) * (LANES_F64 / 2) + j / 2);
    return (philox_lanes){{counter, counter >> 32, (vu64){0}, (vu64){0}}};
}

static inline void philox_store(philox_lanes c, uint32_t *words) {
    vu64 front = (c.word[0] & 0xffffffffu) | (c.word[1] << 32), back = (c.word[2] & 0xffffffffu) | (c.word[3] << 32);
    vu64 first = even_pairs(front, back), second = odd_pairs(front, back);
    memcpy(words, &first, sizeof first);
    memcpy(words + LANES_F32, &second, sizeof second);
}

/* The four words of each of the blocks first, first + 1, ...; writes whole vectors: blocks rounded up to
 * PHILOX_STEP. Two vectors of blocks at a time, so that their chains of multiplications overlap. */
#define PHILOX_STEP (2 * LANES_F64)
static inline void philox_fill(uint64_t seed, uint64_t first, uint32_t *words, ptrdiff_t blocks) {
    for (ptrdiff_t b = 0; b < blocks; b += PHILOX_STEP, words += 4 * PHILOX_STEP) {
        philox_lanes c = philox_counters(first + (uint64_t)b), d = philox_counters(first + (uint64_t)b + LANES_F64);
        uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
        for (int round = 0; round < PHILOX_ROUNDS; round++, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
            c = philox_round(c, key0, key1);
            d = philox_round(d, key0, key1);
        }
        philox_store(c, words);
        philox_store(d, words + 2 * LANES_F32);
    }
}

#endif
