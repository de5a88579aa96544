/* Losses element by element with their gradients, float32 and float64; pointwise_loss_body.h holds the code once. */
#ifndef FASTNN_POINTWISE_LOSS_H
#define FASTNN_POINTWISE_LOSS_H

#include "rows.h"
#include "vecspecial.h"

#define REAL float
#define VEC vf32
#define IVEC vi32
#define LANES LANES_F32
#define NAME(stem) stem##_f32
#include "pointwise_loss_body.h"
#undef REAL
#undef VEC
#undef IVEC
#undef LANES
#undef NAME

#define REAL double
#define VEC vf64
#define IVEC vi64
#define LANES LANES_F64
#define NAME(stem) stem##_f64
#include "pointwise_loss_body.h"
#undef REAL
#undef VEC
#undef IVEC
#undef LANES
#undef NAME

#endif
