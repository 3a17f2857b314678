/* G's first layers, their ReLU and their cells' moments, and the way back, a block of rows at a time: in memory are the
 * cells alone, and each is written and read once. Built by hatch_build.py, called by unfolding.py through ctypes; bgmusic
 * runs without it, slower. */

#include <stdint.h>

/* Raised whenever the structure below changes: an older build is then not used. */
#define VERSION 1

enum { BLOCK = 48 }; /* rows at a time: with the weights they lie in the second cache */

/* Forward: x, tracks x rows x inputs, to `cells`, tracks x rows x taps x channels, and if they are asked for `firsts` and
 * `seconds`, sums of these channels and of their products, the latter on and above the diagonal. With `gradients` of the
 * cells, back: by those and by these (both orders of a product together) to gradients by x, weights and biases. All sums
 * are added to what stands there, but x's gradients; all tracks may see one x, and then have one gradient. What is null is
 * not asked for. */
struct unfolding {
    const float *x, *weight, *bias, *gradients, *of_firsts, *of_seconds;
    float *cells, *firsts, *seconds, *of_x, *of_weight, *of_bias, *space;
    int64_t tracks, rows, begin, end, inputs, taps, channels, x_track; /* x_track: from one track's x to the next one's */
};

#define BODY "unfolding.h"
#include "versions.h"

EXPORT(unfolding, unfolding)
