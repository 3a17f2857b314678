/* G's last layers, ReLU and weighted sum of their channels, and the way back, a block of rows at a time: what lies between
 * is dozens of times what remains of it, and stays in the processor's cache. Built by hatch_build.py, called by merging.py
 * through ctypes; bgmusic runs without it, slower. */

#include <stdint.h>

/* Raised whenever the structure below changes: an older build is then not used. */
#define VERSION 2

enum { WORD = 32 };  /* channels whose signs one word keeps */
enum { BLOCK = 96 }; /* rows at a time: with the weights they lie in the second cache */

static const int32_t EACH_BIT[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};

/* Forward: of x, tracks x rows x inputs, to `merged`, planes x tracks x rows x taps, and `signs`, tracks x rows x taps x
 * words. With `gradients` of merged's shape, back: to x's gradients, and the sums over rows of x^T s and of s, where s are a
 * sum's gradient at the channels that were positive; these are added to what stands there. Weight and the merge's product
 * with it, `backs`, are tracks x inputs x (taps x channels), of planes each; so are the sums. */
struct merging {
    const float *x, *weight, *bias, *merge, *backs, *gradients;
    float *merged, *of_x, *sums, *totals, *space;
    uint32_t *signs;
    int64_t tracks, rows, begin, end, inputs, taps, channels, planes;
};

#define BODY "merging.h"
#include "versions.h"

EXPORT(merging, merging)
