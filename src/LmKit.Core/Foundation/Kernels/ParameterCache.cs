using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Keeps what is made from parameters, such as weights in another layout, and makes it anew when they changed.</summary>
/// <remarks>
/// <para>It is kept for these very tensors and the writes that libtorch has counted into them, so an optimizer's step, loading,
/// averaging and any other operation in place are seen at the next call; moving a module to another dtype or device makes other tensors. Other
/// registers (<see cref="SimdWidth.Bits"/>) have it made anew too. Nothing is guessed from whether gradients are recorded. Not seen are writes
/// straight into memory (<c>Tensor.bytes</c>, <c>data</c>, TorchSharp's own <c>Module.load</c>): call <see cref="Forget"/> after them.</para>
/// <para>From tensors that were made in inference mode, whose writes nobody counts, nothing is kept: it is made in every call.</para>
/// <para>Thread-safe. Only one thread makes it, and what is replaced is freed when the last call that reads it ends.</para>
/// </remarks>
/// <typeparam name="T">What is kept: a tensor, or an object that holds tensors.</typeparam>
public sealed class ParameterCache<T> : IDisposable
    where T : class, IDisposable
{
    private readonly Lock gate = new();
    private Kept? kept;

    /// <summary>Gives what is kept, made anew where it is not of these parameters as they are now.</summary>
    /// <param name="parameters">All that it is made from: the parameters themselves, not views of them.</param>
    /// <param name="make">Makes it, with no gradient recorded, in a dispose scope of its own: an object detaches the tensors that it holds. May
    /// be called under a lock, and not at all. What it throws is thrown here, and nothing is kept then.</param>
    /// <param name="serves">Whether what is kept serves this call, such as one of another length; null where it always does.</param>
    /// <returns>It, to be disposed when it is no longer read.</returns>
    public ParameterLease<T> Take(ReadOnlySpan<Tensor> parameters, Func<T> make, Predicate<T>? serves = null)
    {
        ArgumentNullException.ThrowIfNull(make);
        lock (gate)
        {
            if (kept is { } held && held.IsOf(parameters) && serves?.Invoke(held.Value) != false)
                return new ParameterLease<T>(held);
            Drop();
            if (Source.Read(parameters) is { } sources) // before it is made: what is written meanwhile is seen by the next call
            {
                kept = new Kept(Make(make), sources);
                return new ParameterLease<T>(kept);
            }
        }
        var once = new Kept(Make(make), []);
        try
        {
            return new ParameterLease<T>(once);
        }
        finally
        {
            once.Return();
        }
    }

    /// <summary>Drops what is kept; the next call makes it anew.</summary>
    public void Forget()
    {
        lock (gate)
            Drop();
    }

    /// <summary>Frees what is kept, as soon as nobody reads it.</summary>
    public void Dispose() => Forget();

    private void Drop()
    {
        kept?.Return();
        kept = null;
    }

    // Outside inference mode, for what is made there could meet no gradient later.
    private static T Make(Func<T> make)
    {
        using var scope = NewDisposeScope();
        using var normal = is_inference_mode_enabled() ? inference_mode(false) : null;
        using var frozen = no_grad();
        var made = make();
        _ = (made as Tensor)?.DetachFromDisposeScope();
        return made;
    }

    // A parameter as it was when something was made from it.
    internal readonly record struct Source(Tensor Tensor, long Version, nint Address)
    {
        internal static Source[]? Read(ReadOnlySpan<Tensor> parameters)
        {
            var sources = new Source[parameters.Length];
            for (var index = 0; index < sources.Length; index++)
            {
                var version = ParameterVersion.Of(parameters[index]);
                if (version < 0)
                    return null;
                sources[index] = new Source(parameters[index], version, TensorAddress.Of(parameters[index]));
            }
            return sources;
        }

        // Giving a parameter other memory is not counted as a write, and shows in the address.
        internal bool Is(Tensor parameter) =>
            ReferenceEquals(Tensor, parameter) && Version == ParameterVersion.Of(parameter) && Address == TensorAddress.Of(parameter);
    }

    internal sealed class Kept
    {
        private readonly Source[] sources;
        private readonly int bits = SimdWidth.Bits;
        private int users = 1; // whoever keeps it

        internal Kept(T value, Source[] sources) => (Value, this.sources) = (value, sources);

        internal T Value { get; }

        internal bool IsOf(ReadOnlySpan<Tensor> parameters)
        {
            if (bits != SimdWidth.Bits || sources.Length != parameters.Length)
                return false;
            for (var index = 0; index < sources.Length; index++)
            {
                if (!sources[index].Is(parameters[index]))
                    return false;
            }
            return true;
        }

        internal void Lend() => Interlocked.Increment(ref users);

        internal void Return()
        {
            if (Interlocked.Decrement(ref users) == 0)
                Value.Dispose();
        }
    }
}

/// <summary>What a <see cref="ParameterCache{T}"/> gave, for as long as it is read.</summary>
/// <typeparam name="T">What is kept.</typeparam>
public readonly ref struct ParameterLease<T> : IDisposable
    where T : class, IDisposable
{
    private readonly ParameterCache<T>.Kept kept;

    internal ParameterLease(ParameterCache<T>.Kept kept)
    {
        this.kept = kept;
        kept.Lend();
    }

    /// <summary>What was made; not to be written into or disposed.</summary>
    public T Value => kept.Value;

    /// <summary>Ends the reading; once.</summary>
    public void Dispose() => kept.Return();
}
