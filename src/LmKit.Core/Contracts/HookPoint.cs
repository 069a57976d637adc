using static TorchSharp.torch;

namespace LmKit;

/// <summary>A named place in a model where activations can be read and edited.</summary>
/// <remarks>Costs nothing while nothing is attached. Attached functions run on the thread of the forward call, in the order of
/// attachment, inside the layer's dispose scope: what they keep they must detach. Attaching and detaching are thread-safe: a call that
/// runs meanwhile goes on with the functions it began with.</remarks>
public sealed class HookPoint
{
    private readonly Lock gate = new();
    private volatile Attachment[] attached = [];

    /// <summary>Makes the place.</summary>
    /// <param name="name">Its name, such as <c>layers.3.mixer_out</c>.</param>
    public HookPoint(string name) => Name = name;

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>Attaches a function that sees the activation and returns what the model goes on with (the same one to only read).</summary>
    /// <returns>Disposing it detaches the function.</returns>
    public IDisposable Attach(Func<Tensor, Tensor> edit)
    {
        ArgumentNullException.ThrowIfNull(edit);
        var attachment = new Attachment(this, edit);
        lock (gate)
            attached = [.. attached, attachment];
        return attachment;
    }

    /// <summary>Hands an activation to the attached functions and then to the request's edits, for the component that owns the place.</summary>
    /// <param name="activation">The activation (B, L, ...).</param>
    /// <param name="context">What the component was called with: it carries the edits.</param>
    /// <returns>What to go on with: <paramref name="activation"/> itself while nothing is attached and nothing edits.</returns>
    public Tensor Pass(Tensor activation, SequenceContext? context)
    {
        foreach (var attachment in attached)
            activation = attachment.Edit(activation);
        return context?.Edits is { } edits ? edits.Apply(Name, activation, context.Segments) : activation;
    }

    private void Detach(Attachment one)
    {
        lock (gate)
            attached = [.. attached.Where(other => !ReferenceEquals(other, one))];
    }

    private sealed class Attachment(HookPoint point, Func<Tensor, Tensor> edit) : IDisposable
    {
        internal Func<Tensor, Tensor> Edit { get; } = edit;

        public void Dispose() => point.Detach(this);
    }
}
