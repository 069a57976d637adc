using System.Runtime.Intrinsics;

namespace LmKit;

/// <summary>The choice of kernels: <c>LMKIT_KERNELS=reference|cpu</c> for the process, <see cref="Use"/> for a piece of code.</summary>
/// <remarks>The CPU form is the default. A choice made by <see cref="Use"/> holds on the calling thread.</remarks>
public static class KernelSelection
{
    /// <summary>The environment variable.</summary>
    public const string Variable = "LMKIT_KERNELS";

    private static readonly Lazy<KernelChoice> FromEnvironment = new(() => Parse(Environment.GetEnvironmentVariable(Variable)));

    [ThreadStatic]
    private static KernelChoice? chosen;

    /// <summary>What runs on this thread now.</summary>
    /// <exception cref="ConfigurationException">The environment variable names no kernels.</exception>
    public static KernelChoice Current => chosen ?? FromEnvironment.Value;

    /// <summary>Chooses for this thread until the result is disposed.</summary>
    public static IDisposable Use(KernelChoice choice)
    {
        var before = new Restoration(chosen);
        chosen = choice;
        return before;
    }

    internal static KernelChoice Parse(string? text) => text switch
    {
        null or "" => KernelChoice.Cpu,
        _ when Enum.GetNames<KernelChoice>().FirstOrDefault(name => name.Equals(text, StringComparison.OrdinalIgnoreCase)) is { } name => Enum.Parse<KernelChoice>(name),
        _ => throw new ConfigurationException(Variable, $"'{text}' names no kernels; set reference or cpu, or leave it out for cpu."),
    };

    private sealed class Restoration(KernelChoice? before) : IDisposable
    {
        public void Dispose() => chosen = before;
    }
}

/// <summary>Which form of a kernel runs.</summary>
public enum KernelChoice
{
    /// <summary>libtorch operations in the paper's order: slow, differentiable by libtorch, the truth.</summary>
    Reference,

    /// <summary>Managed SIMD for tensors on the CPU; what it does not serve falls back to the reference.</summary>
    Cpu,
}

/// <summary>The widest registers that kernels use here; every kernel chooses its lanes by it.</summary>
/// <remarks>Those of the processor, as far as the runtime's switches (<c>DOTNET_EnableAVX512=0</c>, <c>DOTNET_EnableAVX2=0</c>) leave them on.</remarks>
public static class SimdWidth
{
    private static readonly int Widest = Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;

    [ThreadStatic]
    private static int limit; // 0 for none

    /// <summary>512 with AVX-512, 256 with AVX2, otherwise 128. A kernel reads it once, on the thread that called it.</summary>
    public static int Bits => limit == 0 ? Widest : Math.Min(Widest, limit);

    /// <summary>Every width that this process can use, the widest first.</summary>
    public static IReadOnlyList<int> All => [.. new[] { 512, 256, 128 }.Where(bits => bits <= Widest)];

    /// <summary>Uses no wider registers until the result is disposed, so that one process can test every width.</summary>
    /// <remarks>Holds for kernels called on this thread, whichever threads they run on.</remarks>
    /// <param name="bits">512, 256 or 128.</param>
    public static IDisposable Limit(int bits)
    {
        if (bits is not (512 or 256 or 128))
            throw new ArgumentOutOfRangeException(nameof(bits), bits, "Registers have 512, 256 or 128 bits.");
        var before = new Restoration(limit);
        limit = bits;
        return before;
    }

    private sealed class Restoration(int before) : IDisposable
    {
        public void Dispose() => limit = before;
    }
}
