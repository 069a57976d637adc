using System.ComponentModel.DataAnnotations;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>A third party's mixer: s_t = decay s_(t-1) + x_t, then a linear of the layer.</summary>
internal sealed class ToyMixer : nn.Module<Tensor, SequenceContext?, Tensor>, IMixer
{
    internal static readonly Kind<ToyMixerOptions, IMixer> Kind = Slots.Mixer.Define<ToyMixerOptions>("toy_decay", (options, layer) => new ToyMixer(options, layer));

    private readonly ILinear out_proj;
    private readonly double decay;
    private readonly long width;

    internal ToyMixer(ToyMixerOptions options, LayerContext layer)
        : base(nameof(ToyMixer))
    {
        (decay, width) = (options.Decay, layer.ModelDim);
        out_proj = layer.Linear("out_proj", width, width, isResidualOutput: true);
        RegisterComponents();
    }

    public bool IsCausal => true;

    public MixerState NewState(long batch) => new SumState(zeros(batch, width), new long[batch]);

    public override Tensor forward(Tensor x, SequenceContext? context)
    {
        Shapes.CheckSequence(x, width, nameof(ToyMixer));
        using var scope = NewDisposeScope();
        using var fresh = context?.State is null ? (SumState)NewState(x.size(0)) : null;
        var state = (SumState?)context?.State ?? fresh!;
        var ids = context?.Segments is { } segments ? HostValues.Read(segments) : null;
        var pieces = new List<Tensor>();
        var sum = state.Sum.to(x.dtype, x.device);
        for (var column = 0L; column < x.size(1); column++)
        {
            var (keep, take) = (new double[x.size(0)], new double[x.size(0)]);
            for (var row = 0; row < keep.Length; row++)
            {
                var document = ids?[(row * x.size(1)) + column] ?? state.Documents[row];
                keep[row] = document < 0 ? 1 : document == state.Documents[row] ? decay : 0;
                take[row] = document < 0 ? 0 : 1;
                state.Documents[row] = document < 0 ? state.Documents[row] : document;
            }
            sum = (sum * tensor(keep, dtype: x.dtype).unsqueeze(1)) + (x.select(1, column) * tensor(take, dtype: x.dtype).unsqueeze(1));
            pieces.Add(sum.unsqueeze(1));
        }
        state.Store(sum, x.size(1));
        return out_proj.call(pieces.Count == 0 ? x.clone() : cat(pieces, 1)).MoveToOuterDisposeScope();
    }

    private sealed class SumState(Tensor sum, long[] documents) : MixerState
    {
        private Tensor own = sum.DetachFromDisposeScope();

        public override IReadOnlyDictionary<string, Tensor> Tensors => new Dictionary<string, Tensor> { ["sum"] = own, ["documents"] = tensor(Documents) };

        internal Tensor Sum => own;

        internal long[] Documents { get; private set; } = documents;

        public override MixerState Fork(Tensor rows) =>
            new SumState(own.index_select(0, rows), [.. HostValues.Read(rows).Select(row => Documents[row])]) { Position = Position };

        public override void Restore(IReadOnlyDictionary<string, Tensor> tensors, long position)
        {
            own.Dispose();
            own = tensors["sum"].clone().DetachFromDisposeScope();
            Documents = HostValues.Read(tensors["documents"]);
            Position = position;
        }

        public override void Dispose() => own.Dispose();

        internal void Store(Tensor value, long columns)
        {
            own.Dispose();
            own = value.detach().clone().DetachFromDisposeScope();
            Position += columns;
        }
    }
}

internal sealed class ToyMixerOptions
{
    [Range(0.0, 1.0)]
    public double Decay { get; set; } = 0.5;
}
