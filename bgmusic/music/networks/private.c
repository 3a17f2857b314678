/* D's private networks, forward and back, a block of pieces at a time: what lies between their layers, eight times as much
 * as goes in and comes out, stays in the processor's cache. Built by hatch_build.py, called by private.py through ctypes;
 * bgmusic runs without it, slower. */

#include <stdint.h>

/* Raised whenever the structure below changes: an older build is then not used. */
#define VERSION 1

enum { STREAMS = 2 }; /* which unfold pitch, then time, and the other way round */
/* Pieces at a time: with the weights they lie in the second cache. */
enum { BLOCK = 96 };
/* Of each track: of each stream inputs x first, rows * first x last, and last x last numbers, with first and last biases;
 * and the merged layer's biases. */
struct weights {
    float *first[STREAMS], *first_bias[STREAMS], *second[STREAMS], *second_bias[STREAMS], *merge[STREAMS], *bias;
};

/* What is null is not asked for. All are tracks x count x numbers of a piece: ticks * pitches * planes, or `last`. */
struct passing {
    struct weights weights, gradients; /* gradients are added to what stands there */
    const float *pieces, *of_out, *moves;
    float *out, *second[STREAMS], *of_heard[STREAMS], *of_pieces, *out_moves, *space;
    int64_t tracks, count, begin, end, ticks, pitches, planes, first, last;
    float slope;
};

/* A stream sees so many rows of so many inputs in a piece. */
static int64_t rows_of(const struct passing *p, int stream) { return stream ? p->pitches : p->ticks; }
static int64_t inputs_of(const struct passing *p, int stream) { return p->planes * (stream ? p->ticks : p->pitches); }

#define BODY "private.h"
#include "versions.h"

EXPORT(private, passing)
