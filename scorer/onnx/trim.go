package onnx

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
static void trim(void) { malloc_trim(0); }
#else
static void trim(void) {}
#endif
*/
import "C"

// trim gives back to the system what C has freed. Reading a graph takes more memory than keeping it, which the C library of most Linux systems would else hold for ever.
func trim() { C.trim() }
