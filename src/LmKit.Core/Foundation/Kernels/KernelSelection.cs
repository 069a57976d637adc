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
