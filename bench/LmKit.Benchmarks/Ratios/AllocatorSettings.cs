namespace LmKit.Benchmarks.Ratios;

/// <summary>Settings of glibc's allocator that cases are measured under; it reads them at start, hence processes.</summary>
/// <remarks>
/// <para>With glibc's own thresholds a large temporary is fresh memory at every operation, and libtorch's chains of temporaries pay for
/// it in page faults. A ratio against that baseline alone would claim the allocator's cost as our gain.</para>
/// <para>Keeping large blocks alone is not enough: libtorch asks for blocks aligned to 64 bytes, whose leftovers glibc before 2.38 puts
/// into the thread's cache, so that a freed block does not grow together again, the next one of its size does not fit, and the heap
/// creeps on into fresh memory. Without that cache it stays; every second tuned process runs without it.</para>
/// </remarks>
internal static class AllocatorSettings
{
    private const string mapThreshold = "MALLOC_MMAP_THRESHOLD_";
    private const string trimThreshold = "MALLOC_TRIM_THRESHOLD_";
    private const string tunables = "GLIBC_TUNABLES";
    private const string keepAll = "4294967296";    // 4 GiB: above every temporary
    private const string keepNothing = "131072";    // glibc's first thresholds, no longer raised by what is freed

    internal static bool IsSupported => OperatingSystem.IsLinux();

    /// <summary>glibc's own choice.</summary>
    internal static IReadOnlyDictionary<string, string> Default { get; } = new Dictionary<string, string>();

    /// <summary>Freed blocks of 128 KiB and above go back to the system at once, so resident memory is what is in use.</summary>
    internal static IReadOnlyDictionary<string, string> GivesBack { get; } =
        new Dictionary<string, string> { [mapThreshold] = keepNothing, [trimThreshold] = keepNothing };

    /// <summary>Large blocks are kept, in every second process without the thread's cache of small ones.</summary>
    /// <param name="process">Its number, from 0.</param>
    internal static IReadOnlyDictionary<string, string> Tuned(int process)
    {
        var settings = new Dictionary<string, string> { [mapThreshold] = keepAll, [trimThreshold] = keepAll };
        if (process % 2 == 1)
            settings[tunables] = "glibc.malloc.tcache_count=0";

        return settings;
    }

    /// <summary>The allocator variables already set, which would make the default run a tuned one.</summary>
    internal static IReadOnlyList<string> AlreadySet() =>
        [.. new[] { mapThreshold, trimThreshold, tunables }.Where(name => Environment.GetEnvironmentVariable(name) is not null)];
}
