using LmKit.Conformance;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Positions of a third party, written with what is public: a bias that grows with the logarithm of the distance.</summary>
internal sealed class LogarithmicPositions(LogarithmicOptions options, PositionSite site) : PositionEncoding
{
    internal static readonly Kind<LogarithmicOptions, PositionEncoding> Kind =
        Slots.Positions.Define<LogarithmicOptions>("logarithmic", (options, site) => new LogarithmicPositions(options, site));

    public override void CheckHeads(long headCount) => ArgumentOutOfRangeException.ThrowIfNotEqual(headCount, site.HeadCount);

    public override Tensor Bias(Tensor distances, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var slopes = arange(1, site.HeadCount + 1, dtype: dtype).view(1, -1, 1, 1) * -options.Slope;
        return (slopes * distances.abs().to(dtype).log1p().unsqueeze(1)).MoveToOuterDisposeScope();
    }
}

internal sealed class LogarithmicOptions
{
    public double Slope { get; set; } = 0.5;
}

/// <summary>Positions of a third party that the embedding adds: the sine of the position times a trained vector.</summary>
internal sealed class WavePositions : PositionEncoding
{
    internal static readonly Kind<PositionEncoding> Kind = Slots.Positions.Define("wave", _ => new WavePositions());

    public override bool ActsOnScores => false;

    public override bool IsBiasFree => true;

    public override IPositionTable CreateTable(LayerContext layer) => new Table(layer);

    private sealed class Table : nn.Module<Tensor, Tensor>, IPositionTable
    {
        private readonly Parameter direction;

        internal Table(LayerContext layer)
            : base(nameof(Table))
        {
            direction = layer.Parameters.Normal(1, layer.ModelDim);
            RegisterComponents();
        }

        public long? Count => null;

        public override Tensor forward(Tensor positions)
        {
            using var scope = NewDisposeScope();
            return (positions.to(direction.dtype).sin().unsqueeze(-1) * direction).MoveToOuterDisposeScope();
        }
    }
}

/// <summary>Positions of a third party that depend on the length: distances beyond the trained length are squeezed into it.</summary>
internal sealed class SqueezedPositions(long trained) : PositionEncoding
{
    public override long? TrainedLength => trained;

    public override bool TurnsKeys => true;

    public override bool IsBiasFree => true;

    public override PositionEncoding ForLength(long length) => length <= trained ? plain : new RotaryEmbedding(new RotaryFrequencies([(double)trained / length]), false);

    private readonly RotaryEmbedding plain = new(2);
}

public class LogarithmicPositionsLawTests : PositionEncodingConformance
{
    protected override PositionEncoding Create() =>
        ToyModel.Component(ToyModel.Builder(), layer => new LogarithmicPositions(new LogarithmicOptions(), new PositionSite(layer, HeadCount, HeadDim)));
}

public class AttentionWithOwnPositionsTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2 };

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.Add(LogarithmicPositions.Kind, options => options.Slope = 0.7);
}

public class SqueezedPositionsTests : LengthDependentConformance
{
    protected override long ModelDim => ToyModel.ModelDim;

    protected override long TrainedLength => 5;

    protected override bool MayGrow => false;

    protected override IMixer Create() => ScaledPositions.Attention(builder => builder.Add(Slots.Positions.Define("squeezed", _ => new SqueezedPositions(TrainedLength))));

    protected override IMixer CreateForLength(long length) =>
        ScaledPositions.Attention(builder => builder.Add(Slots.Positions.Define("fixed", _ => new SqueezedPositions(TrainedLength).ForLength(length))));
}

[NoTensorLeak]
public sealed class OwnPositionsTests
{
    [Fact]
    public void Positions_of_a_third_party_fill_the_slot_layer_by_layer_and_come_back_from_a_folder()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var folder = new TemporaryFolder();
        using var model = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2).AddRotary().Add(LogarithmicPositions.Kind, options => options.Slope = 2, layers: [1]).Build();
        model.Save(folder.Path);
        using var again = LanguageModel.Load(folder.Path, kinds => kinds.Add(LogarithmicPositions.Kind));
        var tokens = tensor(new long[] { 1, 2, 3, 4, 5, 1, 1 }, [1, 7]);

        Close.Check("logits", model.call(tokens, null), again.call(tokens, null));
        using var rotaryOnly = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2).AddRotary().Build();
        Assert.False(rotaryOnly.call(tokens, null).allclose(model.call(tokens, null)));
        Assert.Contains("logarithmic", Assert.Throws<ConfigurationException>(() => LanguageModel.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_table_of_a_third_party_is_added_to_the_embedding_in_whole_and_stepped_calls()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder().AddAttention().Add(WavePositions.Kind).Build();
        using var without = ToyModel.Builder().AddAttention().Build();
        var tokens = tensor(new long[] { 1, 2, 3, 4, 5, 1, 1 }, [1, 7]);
        var whole = model.call(tokens, null);
        using var state = model.NewState(1);

        Assert.Contains("embeddings.learned.direction", model.named_parameters().Select(pair => pair.name));
        Assert.Null(model.ContextLength);
        Assert.False(whole.allclose(without.call(tokens, null)));
        Close.Check("steps", whole, cat([.. tokens.split(1, 1).Select(token => model.call(token, new SequenceContext(state)))], 1), absolute: 1e-12);
        var error = Assert.Throws<ConfigurationException>(() => ToyModel.Builder().AddAttention().Add(WavePositions.Kind, layers: [0]).Build());
        Assert.StartsWith("$.components[1]", error.Path, StringComparison.Ordinal);
    }

    [Fact]
    public void A_table_refuses_positions_beyond_its_end_and_says_how_long_it_is()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder().AddAttention().AddLearnedPositions(5).Build();
        Assert.Equal(5, model.ContextLength);
        using var state = model.NewState(1);
        _ = model.call(ones(1, 5, dtype: ScalarType.Int64), new SequenceContext(state));
        var error = Assert.ThrowsAny<ArgumentException>(() => model.call(ones(1, 1, dtype: ScalarType.Int64), new SequenceContext(state)));
        Assert.Contains("Position 5 lies beyond the learned table of 5", error.Message, StringComparison.Ordinal);
        var none = Assert.Throws<ConfigurationException>(() => ToyModel.Builder().AddLearnedPositions(0));
        Assert.Equal("$.components[0].options.max_position_embeddings", none.Path);
        Assert.Contains("LearnedPositionOptions.Count = 0", none.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Positions_that_nothing_asks_for_are_refused_whatever_their_width()
    {
        var mixer = Slots.Mixer.Define("passing", _ => new PassingMixer());
        foreach (var width in new[] { 0, 20 })
            Assert.Contains("'rotary' has nothing to act on", Assert.Throws<ConfigurationException>(() => ToyModel.Builder().Add(mixer).AddRotary(rotary => rotary.Dim = width).Build()).Message, StringComparison.Ordinal);
    }

    private sealed class PassingMixer : nn.Module<Tensor, SequenceContext?, Tensor>, IMixer
    {
        internal PassingMixer()
            : base(nameof(PassingMixer))
        {
        }

        public bool IsCausal => true;

        public MixerState NewState(long batch) => throw new NotSupportedException($"{nameof(PassingMixer)} carries nothing.");

        public override Tensor forward(Tensor x, SequenceContext? context) => x.alias();
    }
}
