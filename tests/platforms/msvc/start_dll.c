/* Where a DLL begins, in place of Microsoft's: see runtime.c. */
enum { PROCESS_ATTACH = 1 };

int run_initializers(void);

int _DllMainCRTStartup(void *module, unsigned reason, void *reserved)
{
    (void)module;
    (void)reserved;
    return reason != PROCESS_ATTACH || run_initializers() == 0;
}
