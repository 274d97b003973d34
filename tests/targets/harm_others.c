// Calls functions that are not an allocator's and have the names of one (harm_others_own, which is preloaded): they
// take and return what an allocator's do not. Beside an allocator's own names the probe must leave them alone.
#include <stdio.h>

struct row {
    double weight;
    long at[3];
};

#define MAY_BE __attribute__((weak))
struct row tc_new(double weight, int at) MAY_BE;
double tc_delete(const struct row *r, int a, int b, int c, int d, int e, int f, int g, double h) MAY_BE;
void tc_free(struct row *r, double keep) MAY_BE;
float mi_new(float a, float b) MAY_BE;
long mi_free(long a, long b, long c, long d, long e, long f, long g, long h) MAY_BE;
long double je_free(long double a) MAY_BE;
int je_malloc(const char *what, int bytes) MAY_BE;

int main(void)
{
    if (!tc_new || !tc_delete || !tc_free || !mi_new || !mi_free || !je_free || !je_malloc)
        return 1;
    struct row r = tc_new(1.5, 40);
    printf("%g %ld %ld %ld\n", r.weight, r.at[0], r.at[1], r.at[2]);
    printf("%g\n", tc_delete(&r, 1, 2, 3, 4, 5, 6, 7, 0.25));
    tc_free(&r, 3);
    printf("%g %g\n", r.weight, (double)mi_new(1, 4));
    printf("%ld %Lg %d\n", mi_free(1, 2, 3, 4, 5, 6, 7, 8), je_free(1.25L), je_malloc("17", 25));
    return 0;
}
