/* image_sink.h -- samples of a program for images as files. */
#ifndef GAGAC_IMAGE_SINK_H
#define GAGAC_IMAGE_SINK_H

#include "sink.h"

/* By the name of the output: NAME.npy a stack [n][height][width][channels] of float32, NAME.png one
 * grid of all, FOLDER/ (or a folder that is there) a PNG each, numbered by its
 * index in the stream of the seed. Any other name is an error. */
const Sink *image_sink(const char *path, Error *error);

#endif
