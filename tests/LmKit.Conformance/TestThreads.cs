using System.Globalization;
using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>Gives libtorch one thread in tests, or as many as <c>LMKIT_TEST_THREADS</c> says: test processes share the cores.</summary>
internal static class TestThreads
{
    [ModuleInitializer]
    internal static void Limit()
    {
        LibTorch.EnsureLoaded();
        set_num_threads(int.TryParse(Environment.GetEnvironmentVariable("LMKIT_TEST_THREADS"), CultureInfo.InvariantCulture, out var count) ? count : 1);
    }
}
