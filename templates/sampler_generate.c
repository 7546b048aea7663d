/* sampler_generate.c -- template: a call's rows, tile by tile. For sampler_calls.c. */
/*[*/
static int generate(const Request *request)
{
    const int status = check_request(request);
    Tile tile = {.request = request};
    for (; status == SAMPLER_OK && tile.start < request->count; tile.start += BT) {
        const size_t left = request->count - tile.start;
        tile.live = left < BT ? (int)left : BT;
        make_rows(&tile);
        for (int lane = 0; lane < tile.live; lane++)
            store_row(request, tile.start + (size_t)lane, tile.rows[lane]);
    }
    return status;
}
/*]*/
