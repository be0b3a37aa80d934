/* Does not use midisock: who builds only this need not build midisock. */
int main(void)
{
    return 0;
}
