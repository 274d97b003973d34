// Go that calls C: the C frames are exact; the stack is cut where Go switches stacks, for which no table has a rule.
package main

/*
#include <stdlib.h>
static void *volatile kept;
static __attribute__((noinline)) void c_inner(unsigned long size) { kept = malloc(size); }
__attribute__((noinline)) unsigned long c_make(unsigned long size) { c_inner(size); return size; }
*/
import "C"

import (
	"fmt"
	"time"
)

const made = 3901

func main() {
	fmt.Printf("zoo %d cut c_inner;c_make;_cgo_*_Cfunc_c_make\n", made)
	for {
		C.c_make(made)
		time.Sleep(100 * time.Millisecond)
	}
}
