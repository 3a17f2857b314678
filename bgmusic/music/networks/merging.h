/* G's last layers, a block of rows at a time. Included after tiles.h, for the same processors. */

/* The sum of relu(value + bias) merge over channels, and as bits which of them are positive. */
INNER float NAME(merged)(const float *values, const float *bias, const float *merge, int64_t channels, uint32_t *signs) {
    V sums = {0};
    for (int64_t begin = 0; begin < channels; begin += WORD) {
        uint32_t word = 0;
        for (int64_t c = begin; c < SMALLER(begin + WORD, channels); c += LANES) {
            V value = NAME(load_some)(values + c, channels - c) + NAME(load_some)(bias + c, channels - c);
            NAME(ints) on = ~(value <= 0.0f); /* what is no number stays none */
            sums += (V)((NAME(ints))value & on) * NAME(load_some)(merge + c, channels - c);
            word |= BITS(on) << (c - begin);
        }
        signs[begin / WORD] = word;
    }
    float sum = 0.0f;
    for (int lane = 0; lane < LANES; lane++) sum += sums[lane];
    return sum;
}

/* A sum's gradient at the channels that were positive, 0 at the others. */
INNER void NAME(spread)(float gradient, const uint32_t *signs, int64_t channels, float *to) {
    NAME(ints) bits, some = {0};
    memcpy(&bits, EACH_BIT, sizeof bits);
    V all = gradient - (V){0};
    for (int64_t c = 0; c < channels; c += LANES) {
        NAME(ints) here = (some + (int32_t)(signs[c / WORD] >> c % WORD)) & bits;
        NAME(store_some)(to + c, (V)((NAME(ints))all & (here == bits)), channels - c);
    }
}

/* Known numbers of channels, those of the paper's network, take half the time. */
INNER void NAME(merge_rows)(const struct merging *m, const float *values, int64_t track, int64_t row, int64_t rows,
                            int64_t channels) {
    int64_t words = (channels + WORD - 1) / WORD;
    const float *bias = m->bias + track * m->taps * channels;
    for (int64_t plane = 0; plane < m->planes; plane++) {
        const float *merge = m->merge + (plane * m->tracks + track) * channels;
        float *to = m->merged + ((plane * m->tracks + track) * m->rows + row) * m->taps;
        uint32_t *signs = m->signs + (track * m->rows + row) * m->taps * words;
        for (int64_t at = 0; at < rows * m->taps; at++)
            to[at] = NAME(merged)(values + at * channels, bias + at % m->taps * channels, merge, channels, signs + at * words);
    }
}

INNER void NAME(spread_rows)(const struct merging *m, int64_t plane, int64_t track, int64_t row, int64_t rows,
                             int64_t channels, float *to) {
    int64_t words = (channels + WORD - 1) / WORD;
    const float *gradients = m->gradients + ((plane * m->tracks + track) * m->rows + row) * m->taps;
    const uint32_t *signs = m->signs + (track * m->rows + row) * m->taps * words;
    for (int64_t at = 0; at < rows * m->taps; at++)
        NAME(spread)(gradients[at], signs + at * words, channels, to + at * channels);
}

TARGET static void NAME(merge_block)(const struct merging *m, int64_t track, int64_t row, int64_t rows,
                                     const float *panels, float *values) {
    const float *x = m->x + (track * m->rows + row) * m->inputs;
    NAME(plain)(x, rows, m->inputs, panels, m->taps * m->channels, values);
    if (m->channels == WORD) NAME(merge_rows)(m, values, track, row, rows, WORD);
    else NAME(merge_rows)(m, values, track, row, rows, m->channels);
}

TARGET static void NAME(spread_block)(const struct merging *m, int64_t track, int64_t row, int64_t rows,
                                      const float *panels, float *values) {
    int64_t width = m->taps * m->channels, panels_of_plane = width * NAME(padded)(m->inputs);
    const float *x = m->x + (track * m->rows + row) * m->inputs;
    float *of_x = m->of_x + (track * m->rows + row) * m->inputs;
    for (int64_t plane = 0; plane < m->planes; plane++, panels += panels_of_plane) {
        int64_t which = plane * m->tracks + track;
        if (m->channels == WORD) NAME(spread_rows)(m, plane, track, row, rows, WORD, values);
        else NAME(spread_rows)(m, plane, track, row, rows, m->channels, values);
        NAME(sum_rows)(values, rows, width, m->totals + which * width);
        NAME(sum_products)(x, values, rows, m->inputs, width, m->sums + which * m->inputs * width);
        if (plane) NAME(plain_with)(values, rows, width, panels, m->inputs, of_x, of_x);
        else NAME(plain)(values, rows, width, panels, m->inputs, of_x);
    }
}

/* How many numbers the space must hold: the weights of a track in panels, turned around too, and a block of channels. */
TARGET static int64_t NAME(space)(const struct merging *m) {
    int64_t width = m->taps * m->channels, back = m->planes * width * NAME(padded)(m->inputs);
    return m->inputs * NAME(padded)(width) + back + BLOCK * width;
}

TARGET static void NAME(pass)(const struct merging *m) {
    int64_t width = m->taps * m->channels, back = width * NAME(padded)(m->inputs), size = m->inputs * width;
    float *panels = m->space, *backs = panels + m->inputs * NAME(padded)(width), *values = backs + m->planes * back;
    for (int64_t track = 0; track < m->tracks; track++) {
        NAME(pack)(m->weight + track * size, 0, m->inputs, width, panels);
        for (int64_t plane = 0; plane < m->planes && m->gradients; plane++)
            NAME(pack)(m->backs + (plane * m->tracks + track) * size, 1, width, m->inputs, backs + plane * back);
        for (int64_t row = m->begin; row < m->end; row += BLOCK) {
            int64_t rows = SMALLER(BLOCK, m->end - row);
            if (m->gradients) NAME(spread_block)(m, track, row, rows, backs, values);
            else NAME(merge_block)(m, track, row, rows, panels, values);
        }
    }
}
