// Runs into an instruction that does not exist.
int main(void)
{
    __builtin_trap();
}
