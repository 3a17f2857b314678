/* G's first layers, a block of rows at a time. Included after tiles.h, for the same processors. */

TARGET static void NAME(unfold_block)(const struct unfolding *u, int64_t track, int64_t row, int64_t rows,
                                      const float *panels) {
    int64_t width = u->taps * u->channels;
    float *cells = u->cells + (track * u->rows + row) * width;
    NAME(leaky)(u->x + track * u->x_track + row * u->inputs, rows, u->inputs, panels, width, u->bias + track * width, 0.0f, cells);
    if (!u->firsts) return;
    NAME(sum_rows)(cells, rows * u->taps, u->channels, u->firsts + track * u->channels);
    NAME(sum_squares)(cells, rows * u->taps, u->channels, u->seconds + track * u->channels * u->channels);
}

/* `panels` are the weights turned around, `seconds` what `of_seconds` hold. */
TARGET static void NAME(fold_block)(const struct unfolding *u, int64_t track, int64_t row, int64_t rows,
                                    const float *panels, const float *seconds, float *of_cells) {
    int64_t width = u->taps * u->channels, at = (track * u->rows + row) * width;
    const float *cells = u->cells + at, *x = u->x + track * u->x_track + row * u->inputs;
    float *of_x = u->of_x + track * u->x_track + row * u->inputs;
    if (u->of_firsts)
        NAME(masked_with)(cells, rows * u->taps, u->channels, seconds, u->channels, u->gradients + at,
                          u->of_firsts + track * u->channels, cells, 0.0f, of_cells);
    else NAME(mask)(u->gradients + at, cells, rows * width, 0.0f, of_cells);
    NAME(sum_products)(x, of_cells, rows, u->inputs, width, u->of_weight + track * u->inputs * width);
    NAME(sum_rows)(of_cells, rows, width, u->of_bias + track * width);
    if (track && !u->x_track) NAME(plain_with)(of_cells, rows, width, panels, u->inputs, of_x, of_x);
    else NAME(plain)(of_cells, rows, width, panels, u->inputs, of_x);
}

/* How many numbers the space must hold: the weights of a track in panels, turned around too, and a block of cells. */
TARGET static int64_t NAME(space)(const struct unfolding *u) {
    int64_t width = u->taps * u->channels;
    return u->inputs * NAME(padded)(width) + width * NAME(padded)(u->inputs) + u->channels * NAME(padded)(u->channels) +
           BLOCK * width;
}

TARGET static void NAME(pass)(const struct unfolding *u) {
    int64_t width = u->taps * u->channels, size = u->channels * u->channels;
    float *panels = u->space, *turned = panels + u->inputs * NAME(padded)(width);
    float *seconds = turned + width * NAME(padded)(u->inputs), *of_cells = seconds + u->channels * NAME(padded)(u->channels);
    for (int64_t track = 0; track < u->tracks; track++) {
        const float *weight = u->weight + track * u->inputs * width;
        if (!u->gradients) NAME(pack)(weight, 0, u->inputs, width, panels);
        else NAME(pack)(weight, 1, width, u->inputs, turned);
        if (u->of_seconds) NAME(pack)(u->of_seconds + track * size, 0, u->channels, u->channels, seconds);
        for (int64_t row = u->begin; row < u->end; row += BLOCK) {
            int64_t rows = SMALLER(BLOCK, u->end - row);
            if (u->gradients) NAME(fold_block)(u, track, row, rows, turned, seconds, of_cells);
            else NAME(unfold_block)(u, track, row, rows, panels);
        }
    }
}
