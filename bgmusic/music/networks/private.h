/* Blocks of pieces through D's private networks and back. Included after tiles.h, for the same processors. */

/* Weights of one track in panels, all but the biases also turned around, and room for what a block becomes. */
struct NAME(bench) {
    float *first[STREAMS], *second[STREAMS], *merge[STREAMS];
    float *first_turned[STREAMS], *second_turned[STREAMS], *merge_turned[STREAMS];
    float *turned, *turned_move; /* pieces and their moves as the other stream sees them */
    float *heard, *of_heard, *heard_move, *of_second, *second_move, *of_out, *sum, *of_seen[STREAMS];
};

static float *NAME(take)(float **space, int64_t numbers) {
    float *begin = *space;
    *space += (numbers + LINE - 1) / LINE * LINE;
    return begin;
}

/* Divides the space; what it has to hold. */
TARGET static int64_t NAME(lay_out)(const struct passing *p, float *space, struct NAME(bench) *b) {
    float *begin = space;
    int64_t heard = 0, piece = p->ticks * p->pitches * p->planes;
    for (int s = 0; s < STREAMS; s++) {
        int64_t rows = rows_of(p, s), inputs = inputs_of(p, s), joined = rows * p->first;
        b->first[s] = NAME(take)(&space, inputs * NAME(padded)(p->first));
        b->second[s] = NAME(take)(&space, joined * NAME(padded)(p->last));
        b->merge[s] = NAME(take)(&space, p->last * NAME(padded)(p->last));
        b->first_turned[s] = NAME(take)(&space, p->first * NAME(padded)(inputs));
        b->second_turned[s] = NAME(take)(&space, p->last * NAME(padded)(joined));
        b->merge_turned[s] = NAME(take)(&space, p->last * NAME(padded)(p->last));
        b->of_seen[s] = NAME(take)(&space, BLOCK * rows * NAME(padded)(inputs));
        if (heard < BLOCK * joined) heard = BLOCK * joined;
    }
    float **wide[] = {&b->heard, &b->of_heard, &b->heard_move}, **seen[] = {&b->turned, &b->turned_move};
    float **narrow[] = {&b->of_second, &b->second_move, &b->of_out, &b->sum};
    for (int i = 0; i < 3; i++) *wide[i] = NAME(take)(&space, heard);
    for (int i = 0; i < 2; i++) *seen[i] = NAME(take)(&space, BLOCK * piece);
    for (int i = 0; i < 4; i++) *narrow[i] = NAME(take)(&space, BLOCK * p->last);
    return space - begin;
}

TARGET static void NAME(pack_track)(const struct passing *p, int64_t track, const struct NAME(bench) *b) {
    for (int s = 0; s < STREAMS; s++) {
        int64_t inputs = inputs_of(p, s), joined = rows_of(p, s) * p->first;
        const float *first = p->weights.first[s] + track * inputs * p->first;
        const float *second = p->weights.second[s] + track * joined * p->last;
        const float *merge = p->weights.merge[s] + track * p->last * p->last;
        NAME(pack)(first, 0, inputs, p->first, b->first[s]);
        NAME(pack)(second, 0, joined, p->last, b->second[s]);
        NAME(pack)(merge, 0, p->last, p->last, b->merge[s]);
        NAME(pack)(first, 1, p->first, inputs, b->first_turned[s]);
        NAME(pack)(second, 1, p->last, joined, b->second_turned[s]);
        NAME(pack)(merge, 1, p->last, p->last, b->merge_turned[s]);
    }
}

/* Pieces of ticks x pitches x planes as pieces of pitches x ticks x planes. */
INNER void NAME(turn_planes)(const float *pieces, int64_t count, int64_t ticks, int64_t pitches, int64_t planes,
                             float *turned) {
    for (int64_t i = 0; i < count; i++, pieces += ticks * pitches * planes)
        for (int64_t pitch = 0; pitch < pitches; pitch++)
            for (int64_t tick = 0; tick < ticks; tick++)
                for (int64_t plane = 0; plane < planes; plane++)
                    *turned++ = pieces[(tick * pitches + pitch) * planes + plane];
}

TARGET static void NAME(turn)(const struct passing *p, const float *pieces, int64_t count, float *turned) {
    if (p->planes == 1) NAME(turn_planes)(pieces, count, p->ticks, p->pitches, 1, turned); /* in a third of the time */
    else NAME(turn_planes)(pieces, count, p->ticks, p->pitches, p->planes, turned);
}

/* The sum of what two streams say of pieces; theirs has rows of padded length. */
INNER void NAME(join_planes)(const float *one, const float *other, int64_t count, int64_t ticks, int64_t pitches,
                             int64_t planes, float *pieces) {
    int64_t per_tick = NAME(padded)(pitches * planes), per_pitch = NAME(padded)(ticks * planes);
    for (int64_t i = 0; i < count; i++, one += ticks * per_tick, other += pitches * per_pitch)
        for (int64_t tick = 0; tick < ticks; tick++)
            for (int64_t pitch = 0; pitch < pitches; pitch++)
                for (int64_t plane = 0; plane < planes; plane++)
                    *pieces++ = one[tick * per_tick + pitch * planes + plane] +
                                other[pitch * per_pitch + tick * planes + plane];
}

TARGET static void NAME(join)(const struct passing *p, float *const streams[STREAMS], int64_t count, float *pieces) {
    if (p->planes == 1) NAME(join_planes)(streams[0], streams[1], count, p->ticks, p->pitches, 1, pieces);
    else NAME(join_planes)(streams[0], streams[1], count, p->ticks, p->pitches, p->planes, pieces);
}

/* The first layer of a stream, of `count` pieces as the stream sees them. */
TARGET static void NAME(hear)(const struct passing *p, const struct NAME(bench) *b, int64_t track, int s,
                              const float *seen, int64_t count) {
    NAME(leaky)(seen, count * rows_of(p, s), inputs_of(p, s), b->first[s], p->first,
                p->weights.first_bias[s] + track * p->first, p->slope, b->heard);
}

/* Outputs of pieces, and both streams' second layers, which are kept. */
TARGET static void NAME(forward)(const struct passing *p, const struct NAME(bench) *b, int64_t track, int64_t begin,
                                 int64_t count) {
    const float *pieces = p->pieces + begin * p->ticks * p->pitches * p->planes;
    int64_t at = begin * p->last;
    NAME(turn)(p, pieces, count, b->turned);
    for (int s = 0; s < STREAMS; s++) {
        NAME(hear)(p, b, track, s, s ? b->turned : pieces, count);
        NAME(leaky)(b->heard, count, rows_of(p, s) * p->first, b->second[s], p->last,
                    p->weights.second_bias[s] + track * p->last, p->slope, p->second[s] + at);
    }
    NAME(plain)(p->second[0] + at, count, p->last, b->merge[0], p->last, b->sum);
    NAME(leaky_with)(p->second[1] + at, count, p->last, b->merge[1], p->last, b->sum, p->weights.bias + track * p->last,
                     p->slope, p->out + at);
}

/* From gradients by outputs to those by weights, or by pieces. */
TARGET static void NAME(back)(const struct passing *p, const struct NAME(bench) *b, int64_t track, int64_t begin,
                              int64_t count) {
    int64_t piece = p->ticks * p->pitches * p->planes, at = begin * p->last;
    const float *pieces = p->pieces + begin * piece;
    const struct weights *sums = &p->gradients;
    NAME(turn)(p, pieces, count, b->turned);
    NAME(mask)(p->of_out + at, p->out + at, count * p->last, p->slope, b->of_out);
    if (sums->bias) NAME(sum_rows)(b->of_out, count, p->last, sums->bias + track * p->last);
    for (int s = 0; s < STREAMS; s++) {
        int64_t rows = rows_of(p, s), inputs = inputs_of(p, s), joined = rows * p->first;
        const float *seen = s ? b->turned : pieces, *second = p->second[s] + at;
        NAME(hear)(p, b, track, s, seen, count);
        float *of_heard = p->of_heard[s] ? p->of_heard[s] + begin * joined : b->of_heard;
        NAME(masked)(b->of_out, count, p->last, b->merge_turned[s], p->last, second, p->slope, b->of_second);
        NAME(masked)(b->of_second, count, p->last, b->second_turned[s], joined, b->heard, p->slope, of_heard);
        if (sums->bias) {
            NAME(sum_products)(second, b->of_out, count, p->last, p->last, sums->merge[s] + track * p->last * p->last);
            NAME(sum_products)(b->heard, b->of_second, count, joined, p->last, sums->second[s] + track * joined * p->last);
            NAME(sum_rows)(b->of_second, count, p->last, sums->second_bias[s] + track * p->last);
            NAME(sum_products)(seen, of_heard, count * rows, inputs, p->first, sums->first[s] + track * inputs * p->first);
            NAME(sum_rows)(of_heard, count * rows, p->first, sums->first_bias[s] + track * p->first);
        }
        if (p->of_pieces)
            NAME(plain)(of_heard, count * rows, p->first, b->first_turned[s], NAME(padded)(inputs), b->of_seen[s]);
    }
    if (p->of_pieces) NAME(join)(p, b->of_seen, count, p->of_pieces + begin * piece);
}

/* Back from gradients by what `back` found of pieces, here their moves: to gradients by the gradients by outputs that it
 * was given, which are the outputs' moves, and by weights. */
TARGET static void NAME(back_again)(const struct passing *p, const struct NAME(bench) *b, int64_t track, int64_t begin,
                                    int64_t count) {
    int64_t piece = p->ticks * p->pitches * p->planes, at = begin * p->last;
    const float *pieces = p->pieces + begin * piece, *moves = p->moves + begin * piece;
    const struct weights *sums = &p->gradients;
    NAME(turn)(p, pieces, count, b->turned);
    NAME(turn)(p, moves, count, b->turned_move);
    NAME(mask)(p->of_out + at, p->out + at, count * p->last, p->slope, b->of_out);
    for (int s = 0; s < STREAMS; s++) {
        int64_t rows = rows_of(p, s), inputs = inputs_of(p, s), joined = rows * p->first;
        const float *move = s ? b->turned_move : moves, *second = p->second[s] + at;
        NAME(hear)(p, b, track, s, s ? b->turned : pieces, count);
        NAME(masked)(b->of_out, count, p->last, b->merge_turned[s], p->last, second, p->slope, b->of_second);
        NAME(masked)(move, count * rows, inputs, b->first[s], p->first, b->heard, p->slope, b->heard_move);
        NAME(masked)(b->heard_move, count, joined, b->second[s], p->last, second, p->slope, b->second_move);
        NAME(sum_products)(move, p->of_heard[s] + begin * joined, count * rows, inputs, p->first, sums->first[s] + track * inputs * p->first);
        NAME(sum_products)(b->heard_move, b->of_second, count, joined, p->last, sums->second[s] + track * joined * p->last);
        NAME(sum_products)(b->second_move, b->of_out, count, p->last, p->last, sums->merge[s] + track * p->last * p->last);
        if (s) NAME(masked_with)(b->second_move, count, p->last, b->merge[s], p->last, b->sum, 0, p->out + at, p->slope,
                                 p->out_moves + at);
        else NAME(plain)(b->second_move, count, p->last, b->merge[s], p->last, b->sum);
    }
}

TARGET static int64_t NAME(space)(const struct passing *p) {
    struct NAME(bench) bench;
    return NAME(lay_out)(p, 0, &bench);
}

/* One of these for all blocks from `begin` to `end` of every track. */
TARGET static void NAME(pass)(const struct passing *p) {
    struct NAME(bench) bench;
    NAME(lay_out)(p, p->space, &bench);
    for (int64_t track = 0; track < p->tracks; track++) {
        NAME(pack_track)(p, track, &bench);
        for (int64_t begin = p->begin; begin < p->end; begin += BLOCK) {
            int64_t from = track * p->count + begin, count = SMALLER(BLOCK, p->end - begin);
            if (p->moves) NAME(back_again)(p, &bench, track, from, count);
            else if (p->of_out) NAME(back)(p, &bench, track, from, count);
            else NAME(forward)(p, &bench, track, from, count);
        }
    }
}
