/* Where a program begins, in place of Microsoft's: see runtime.c. */
enum { AS_THEY_ARE = 1, FAILED = 255 };

int run_initializers(void);
int _configure_narrow_argv(int mode);
int _initialize_narrow_environment(void);
int *__p___argc(void);
char ***__p___argv(void);
__declspec(noreturn) void exit(int status);

int main(int argc, char **argv);

void mainCRTStartup(void)
{
    if (_configure_narrow_argv(AS_THEY_ARE) != 0 || _initialize_narrow_environment() != 0 || run_initializers() != 0)
        exit(FAILED);
    exit(main(*__p___argc(), *__p___argv()));
}
