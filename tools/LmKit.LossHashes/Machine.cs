using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using System.Text;

namespace LmKit.LossHashes;

/// <summary>What decides the last bits of a loss beside the code: the threads are pinned to one.</summary>
/// <param name="System">Operating system, whose library computes exponentials and logarithms, and architecture.</param>
/// <param name="Processor">Its name: libraries choose their code by maker and model.</param>
/// <param name="Simd">The widest vectors that are used, and the variables that limit them.</param>
/// <param name="Threads">Threads of each program.</param>
internal sealed record Machine(string System, string Processor, string Simd, int Threads)
{
    private static readonly string[] Variables = ["ATEN_CPU_CAPABILITY", "LMKIT_KERNELS", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA"];

    /// <summary>This machine.</summary>
    internal static Machine Here => new($"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}", Name(), Widest() + string.Concat(Set()), 1);

    /// <summary>The version of the newest reference documentation beside this runtime, which some programs train on.</summary>
    internal static string Documentation()
    {
        var packs = Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "packs", "Microsoft.NETCore.App.Ref");
        return Directory.Exists(packs)
            ? Directory.GetDirectories(packs).Select(path => Path.GetFileName(path)).OrderByDescending(name => Version.TryParse(name, out var version) ? version : new Version(0, 0)).FirstOrDefault() ?? "none"
            : "none";
    }

    public override string ToString() => $"{Processor}, {Simd}, {System}, {Threads} thread";

    private static string Widest() =>
        Vector512.IsHardwareAccelerated ? "AVX-512" : Avx2.IsSupported ? "AVX2" : Vector128.IsHardwareAccelerated ? "128 bits" : "none";

    private static IEnumerable<string> Set() =>
        from name in Variables
        let value = Environment.GetEnvironmentVariable(name)
        where value is not null
        select $", {name}={value}";

    // Leaves 80000002 to 80000004 hold the name, 16 letters each.
    private static string Name()
    {
        if (!X86Base.IsSupported)
            return RuntimeInformation.ProcessArchitecture.ToString();
        var letters = new List<int>();
        for (var leaf = unchecked((int)0x80000002); leaf <= unchecked((int)0x80000004); leaf++)
        {
            var (eax, ebx, ecx, edx) = X86Base.CpuId(leaf, 0);
            letters.AddRange([eax, ebx, ecx, edx]);
        }
        return Encoding.ASCII.GetString(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(letters))).Trim('\0', ' ');
    }
}
