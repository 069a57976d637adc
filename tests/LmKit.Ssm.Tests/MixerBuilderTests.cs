using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

[NoTensorLeak]
public class MixerBuilderTests
{
    public static TheoryData<string> Kinds => ["h3", "s4d", "s4d glu", "shift", "selective_scan", "long_conv"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_configuration_in_JSON_rebuilds_the_layers(string kind)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var builder = Add(ToyModel.Builder(2), kind);
        using var model = builder.Build();
        using var again = LanguageModel.Build(ModelConfig.FromJson(builder.Config.ToJson()), new ComponentRegistry().AddSsm(), CPU, ScalarType.Float64);
        var tokens = arange(10, dtype: ScalarType.Int64).view(1, 10);

        Assert.Contains($"\"{kind.Split(' ')[0]}\"", builder.Config.ToJson(), StringComparison.Ordinal);
        Close.Check("logits", model.call(tokens, null), again.call(tokens, null));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_model_of_any_mixer_learns(string kind)
    {
        using var scope = NewDisposeScope();
        using var model = Add(ToyModel.Builder(2), kind).Build();
        using var optimizer = optim.AdamW(model.parameters(), 1e-2);
        var tokens = (arange(3 * 24, dtype: ScalarType.Int64).view(3, 24) * 7).remainder(ToyModel.VocabSize);
        var losses = new List<double>();
        for (var step = 0; step < 20; step++)
        {
            using var inner = NewDisposeScope();
            optimizer.zero_grad();
            var loss = NextTokenLoss.Of(model, tokens).Sum / 69.0;
            loss.backward();
            optimizer.step();
            losses.Add(loss.item<double>());
        }

        Assert.True(losses[^1] < losses[0] - 0.3, $"{losses[0]} to {losses[^1]}");
    }

    [Theory]
    [InlineData("s4d")]
    [InlineData("long_conv")]
    public void A_bidirectional_model_takes_the_mixer_in_its_two_sided_form(string kind)
    {
        using var builder = NewDisposeScope();
        var bidirectional = ToyModel.Builder(1);
        bidirectional.Options.IsBidirectional = true;
        using var model = Add(bidirectional, kind).Build();

        Assert.False(model.IsCausal);
        Assert.Contains(model.named_parameters(), pair => pair.name is "layers.0.mixer.kernel_rev" || (pair.name.EndsWith("kernel.C", StringComparison.Ordinal) && pair.parameter.size(0) == 2));
    }

    [Theory]
    [InlineData("selective_scan", nameof(SelectiveScanMixer))]
    [InlineData("shift", nameof(ShiftMixer))]
    public void A_mixer_of_one_direction_is_refused_in_a_bidirectional_model(string kind, string mixer)
    {
        var bidirectional = ToyModel.Builder(1);
        bidirectional.Options.IsBidirectional = true;

        Assert.Contains(mixer, Assert.Throws<ConfigurationException>(Add(bidirectional, kind).Build).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(DiagonalInitialization.Lin)]
    [InlineData(DiagonalInitialization.Inv)]
    [InlineData(DiagonalInitialization.Inv2)]
    [InlineData(DiagonalInitialization.Quad)]
    [InlineData(DiagonalInitialization.Real)]
    [InlineData(DiagonalInitialization.Legs)]
    [InlineData(DiagonalInitialization.Mixed)]
    public void S4D_of_any_matrix_and_discretisation_steps_as_it_convolves(DiagonalInitialization initialization)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(2);
        var x = randn([2, 30, 8], ScalarType.Float64, generator: random);
        foreach (var discretization in new[] { Discretization.Zoh, Discretization.Bilinear })
        {
            var options = new S4DOptions { StateDim = 8, Initialization = initialization, Discretization = discretization, MatrixCount = 4 };
            using var mixer = ToyModel.Component(ToyModel.Builder(), layer => new S4DMixer(options, layer));
            using var state = mixer.NewState(2);
            var steps = x.split(1, 1).Select(token => mixer.call(token, new SequenceContext(state))).ToList();

            Close.Check($"{discretization}", mixer.call(x, null), cat(steps, 1), absolute: 1e-10);
        }
    }

    [Fact]
    public void A_kernel_without_a_recurrence_mixes_but_carries_no_state()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = ToyModel.Component(ToyModel.Builder(), layer => new S4DMixer(new S4DOptions { StateDim = 8, Discretization = Discretization.Dss }, layer));

        Assert.Equal([1, 6, 8], mixer.call(ones([1, 6, 8], ScalarType.Float64), null).shape);
        Assert.Contains("dss", Assert.Throws<NotSupportedException>(() => mixer.NewState(1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_that_do_not_fit_fail_with_their_name_and_value()
    {
        Assert.Contains("S4DOptions.MatrixCount = 3", Assert.Throws<ConfigurationException>(ToyModel.Builder(1).AddS4D(s4d => s4d.MatrixCount = 3).Build).Message, StringComparison.Ordinal);
        Assert.Contains("H3Options.ChunkLength = 4", Assert.Throws<ConfigurationException>(ToyModel.Builder(1).AddH3(h3 => (h3.ChunkLength, h3.MaxKernelLength) = (4, 9)).Build).Message, StringComparison.Ordinal);
        Assert.Contains("H3Options.RealPart = Sigmoid", Assert.Throws<ConfigurationException>(ToyModel.Builder(1).AddH3(h3 => (h3.RealPart, h3.Initialization) = (RealPart.Sigmoid, DiagonalInitialization.Real)).Build).Message, StringComparison.Ordinal);
        Assert.Contains("kernel_length", Assert.Throws<ConfigurationException>(() => ToyModel.Builder(1).AddLongConv(conv => conv.KernelLength = 0)).Message, StringComparison.Ordinal);
        Assert.Contains("d_state", Assert.Throws<ConfigurationException>(() => ToyModel.Builder(1).AddShift(shift => shift.StateDim = 0)).Message, StringComparison.Ordinal);
        Assert.Contains("SelectiveScanOptions.MinTimeStep = 0.5", Assert.Throws<ConfigurationException>(ToyModel.Builder(1).AddSelectiveScan(scan => scan.MinTimeStep = 0.5).Build).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_parametrisation_of_the_decay_starts_at_the_same_matrix()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        Tensor? first = null;
        foreach (var kind in Enum.GetValues<RealPart>())
        {
            using var random = new Generator(3);
            using var ssm = new DiagonalSsm(new DiagonalSsmOptions(8, RealPart: kind), 2, new ParameterFactory(random, ScalarType.Float64));
            var kernel = ssm.Kernel(12).clone();
            first ??= kernel;
            Close.Check($"{kind}", first, kernel, absolute: 1e-12);
        }
    }

    private static LanguageModelBuilder Add(LanguageModelBuilder builder, string kind) => kind switch
    {
        "h3" => builder.AddH3(h3 => h3.StateDim = 8),
        "s4d" => builder.AddS4D(s4d => s4d.StateDim = 8),
        "s4d glu" => builder.AddS4D(s4d => (s4d.StateDim, s4d.IsGated) = (8, true)),
        "shift" => builder.AddShift(shift => shift.StateDim = 4),
        "selective_scan" => builder.AddSelectiveScan(scan => scan.StateDim = 4),
        _ => builder.AddLongConv(conv => conv.KernelLength = 16),
    };
}
