using System.Runtime.Intrinsics;

namespace LmKit;

/// <summary>The choice of kernels: <c>LMKIT_KERNELS=reference|cpu</c> for the process, <see cref="Use"/> for a piece of code.</summary>
/// <remarks>The CPU form is the default. A choice made by <see cref="Use"/> holds for the calling code and for what it calls, awaits and starts,
/// whichever threads that runs on; a backward pass runs with the choice that its forward pass had.</remarks>
public static class KernelSelection
{
    /// <summary>The environment variable.</summary>
    public const string Variable = "LMKIT_KERNELS";

    private static readonly Lazy<KernelChoice> FromEnvironment = new(() => Parse(Environment.GetEnvironmentVariable(Variable)));

    private static readonly FlowSetting<KernelChoice> Chosen = new();

    /// <summary>What runs here now.</summary>
    /// <exception cref="ConfigurationException">The environment variable names no kernels.</exception>
    public static KernelChoice Current => Chosen.Value ?? FromEnvironment.Value;

    /// <summary>Chooses until the result is disposed, where the choice was made.</summary>
    public static IDisposable Use(KernelChoice choice) => Chosen.Set(choice);

    internal static KernelChoice Parse(string? text) => text switch
    {
        null or "" => KernelChoice.Cpu,
        _ when Enum.GetNames<KernelChoice>().FirstOrDefault(name => name.Equals(text, StringComparison.OrdinalIgnoreCase)) is { } name => Enum.Parse<KernelChoice>(name),
        _ => throw new ConfigurationException(Variable, $"'{text}' names no kernels; set reference or cpu, or leave it out for cpu."),
    };
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

    private static readonly FlowSetting<int> Limited = new();

    /// <summary>512 with AVX-512, 256 with AVX2, otherwise 128. A kernel reads it once, on the thread that called it.</summary>
    public static int Bits => Limited.Value is { } limit ? Math.Min(Widest, limit) : Widest;

    /// <summary>Every width that this process can use, the widest first.</summary>
    public static IReadOnlyList<int> All => [.. new[] { 512, 256, 128 }.Where(bits => bits <= Widest)];

    /// <summary>Uses no wider registers until the result is disposed, so that one process can test every width.</summary>
    /// <remarks>Holds for the kernels that the calling code calls, awaits and starts, whichever threads they run on.</remarks>
    /// <param name="bits">512, 256 or 128.</param>
    public static IDisposable Limit(int bits)
    {
        if (bits is not (512 or 256 or 128))
            throw new ArgumentOutOfRangeException(nameof(bits), bits, "Registers have 512, 256 or 128 bits.");
        return Limited.Set(bits);
    }
}

/// <summary>Whether rows must come out the same whatever stands beside them: a kernel that has a form for few rows then leaves them to the
/// form for many, whose sums have another order.</summary>
internal static class RowsAlike
{
    private static readonly FlowSetting<bool> Asked = new();

    /// <summary>Whether that holds here now.</summary>
    internal static bool AreAsked => Asked.Value == true;

    /// <summary>Asks for it until the result is disposed, in what the calling code calls, awaits and starts.</summary>
    internal static IDisposable Ask() => Asked.Set(true);
}

/// <summary>A setting that flows with the code that made it: to what it calls, awaits and starts, and nowhere else.</summary>
/// <remarks>Kernels read one in every call, so reading costs next to nothing until one is made.</remarks>
internal sealed class FlowSetting<T>
    where T : struct
{
    private readonly AsyncLocal<T?> flow = new();
    private volatile bool wasSet; // anywhere, ever

    /// <summary>The setting here, or null for none.</summary>
    internal T? Value => wasSet ? flow.Value : null;

    /// <summary>Sets it until the result is disposed.</summary>
    internal IDisposable Set(T value)
    {
        wasSet = true;
        var before = new Restoration(flow, flow.Value);
        flow.Value = value;
        return before;
    }

    private sealed class Restoration(AsyncLocal<T?> flow, T? before) : IDisposable
    {
        public void Dispose() => flow.Value = before;
    }
}
