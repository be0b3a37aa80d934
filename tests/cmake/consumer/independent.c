/* Does not use midisock: building only this program must not build midisock. */
int main(void)
{
    return 0;
}
