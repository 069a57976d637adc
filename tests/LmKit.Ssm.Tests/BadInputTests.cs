using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

/// <summary>Lengths at the edge, options that are no numbers, and tensors that an operation does not serve.</summary>
[NoTensorLeak]
public class BadInputTests
{
    public static TheoryData<string> Mixers => MixerCases.Names;

    [Theory]
    [MemberData(nameof(Mixers))]
    public void Nothing_one_token_and_fewer_tokens_than_states_are_mixed_alike_with_and_without_a_state(string name)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(4);
        foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
        {
            using var mixer = MixerCases.Make(name, dtype);
            foreach (var (batch, length) in new[] { (2, 0), (0, 3), (1, 1), (2, 1), (2, 3), (1, 5), (3, 7) })
            {
                var x = randn([batch, length, MixerCases.ModelDim], dtype, generator: random);
                using var state = MixerCases.NewState(mixer, batch);
                var y = mixer.call(x, new SequenceContext(state));

                Assert.Equal([batch, length, MixerCases.ModelDim], y.shape);
                Assert.Equal(length, state.Position);
                Close.Check($"{batch} rows of {length}", mixer.call(x, null), y, absolute: dtype == ScalarType.Float64 ? 1e-12 : 1e-7, relativeToLargest: dtype == ScalarType.Float64 ? 0 : 1e-5);
            }
        }
    }

    [Fact]
    public void Operations_take_an_empty_sequence_and_keep_its_state()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(4);
        using var ssm = new DiagonalSsm(new DiagonalSsmOptions(4), 3, new ParameterFactory(random));
        using var shift = new ShiftSsm(3, 4, new ParameterFactory(random));
        var (none, state, past) = (zeros(2, 3, 0), randn([2, 3, 2], ScalarType.ComplexFloat32, generator: random), randn([2, 3, 4], generator: random));

        foreach (var chunk in new[] { 0, 1, 7 })
        {
            var (y, after) = ssm.Run(none, state, chunkLength: chunk);
            Assert.Equal([2, 3, 0], y.shape);
            Close.Check("state", state, after);
        }
        Close.Check("shift state", past, shift.Run(none, past).State);
        Assert.Equal([2, 3, 0], LongConvolution.Convolve(none, ones(3, 5)).shape);
        Assert.Equal([2, 3, 0], LongConvolution.Gated(none, ones(3, 5), none, none).shape);
        Assert.Equal([2, 3, 0], LongConvolution.MultiHead(none, none, none, ones(3, 5), ones(3)).shape);
        var scanned = SelectiveScan.Run(none, none, -ones(3, 2), zeros(2, 2, 0), zeros(2, 2, 0), state: past.narrow(2, 0, 2));
        Assert.Equal([2, 3, 0], scanned.Output.shape);
        Close.Check("scan state", past.narrow(2, 0, 2), scanned.State);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    [InlineData(0)]
    public void Options_that_are_no_positive_numbers_are_refused_by_name(double value)
    {
        var largestTime = value == 0 ? -1 : value;
        Refused("MinTimeStep", builder => builder.AddH3(h3 => h3.MinTimeStep = value), layer => new H3Mixer(new H3Options { MinTimeStep = value }, layer));
        Refused("MaxTimeStep", builder => builder.AddH3(h3 => h3.MaxTimeStep = largestTime), layer => new H3Mixer(new H3Options { MaxTimeStep = largestTime }, layer));
        Refused("BandLimit", builder => builder.AddH3(h3 => h3.BandLimit = value), layer => new H3Mixer(new H3Options { BandLimit = value }, layer));
        Refused("MinTimeStep", builder => builder.AddS4D(s4d => s4d.MinTimeStep = value), layer => new S4DMixer(new S4DOptions { MinTimeStep = value }, layer));
        Refused("BandLimit", builder => builder.AddS4D(s4d => s4d.BandLimit = value), layer => new S4DMixer(new S4DOptions { BandLimit = value }, layer));
        Refused("MaxTimeStep", builder => builder.AddSelectiveScan(scan => scan.MaxTimeStep = largestTime), layer => new SelectiveScanMixer(new SelectiveScanOptions { MaxTimeStep = largestTime }, layer));
        Refused("TimeStepFloor", builder => builder.AddSelectiveScan(scan => scan.TimeStepFloor = value), layer => new SelectiveScanMixer(new SelectiveScanOptions { TimeStepFloor = value }, layer));
        Refused("MinDecayTime", builder => builder.AddLongConv(conv => conv.MinDecayTime = value), layer => new LongConvMixer(new LongConvOptions { MinDecayTime = value }, layer));
    }

    [Theory]
    [InlineData("layers.0.mixer.kernel.kernel.log_dt", double.NaN)]
    [InlineData("layers.0.mixer.ssm_k_kernel.kernel.C", double.PositiveInfinity)]
    [InlineData("layers.1.mixer.A_log", double.NegativeInfinity)]
    [InlineData("ln_f.weight", double.NaN)]
    public void A_model_folder_whose_weights_are_no_numbers_is_refused_by_the_weights_name(string name, double value)
    {
        var folder = Directory.CreateTempSubdirectory("lmkit-bad-").FullName;
        try
        {
            using var scope = NewDisposeScope();
            using var frozen = no_grad();
            using var model = ToyModel.Builder(2, ScalarType.Float32).AddH3(h3 => h3.StateDim = 8).AddSelectiveScan(layers: [1]).Build();
            model.get_parameter(name)!.view(-1).narrow(0, 1, 1).fill_(value);
            model.Save(Path.Combine(folder, "model"));

            Assert.Contains(name, Assert.Throws<ArgumentException>(() => LanguageModel.Load(Path.Combine(folder, "model"), kinds => kinds.AddSsm())).Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_convolution_of_a_dtype_or_device_that_it_does_not_serve_is_refused_by_name_and_others_fall_back()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(4);
        var (u, kernel) = (randn([2, 4, 1, 40], generator: random), randn([4, 40], generator: random));
        foreach (var dtype in new[] { ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int32, ScalarType.ComplexFloat32 })
        {
            Assert.Contains($"{dtype}", Assert.Throws<ArgumentException>(() => FlashConv.Convolve(u.to(dtype), kernel.to(dtype))).Message, StringComparison.Ordinal);
            Assert.Contains($"{dtype}", Assert.Throws<ArgumentException>(() => LongConvolution.Convolve(u.squeeze(2), kernel.to(dtype))).Message, StringComparison.Ordinal);
        }
        Assert.Contains("meta", Assert.Throws<ArgumentException>(() => FlashConv.Convolve(u, kernel.to(META))).Message, StringComparison.Ordinal);

        var exact = FlashConv.Convolve(u.to(ScalarType.Float64), kernel.to(ScalarType.Float64));
        Assert.Equal(ScalarType.Float64, exact.dtype);
        Close.Check("float32", exact, FlashConv.Convolve(u, kernel), relativeToLargest: 3e-6);
        Close.Check("strided", exact, FlashConv.Convolve(u.transpose(0, 3).contiguous().transpose(0, 3), kernel.t().contiguous().t()), relativeToLargest: 3e-6);
        Assert.Equal(ScalarType.BFloat16, LongConvolution.Convolve(u.squeeze(2).to(ScalarType.BFloat16), kernel).dtype);
    }

    [Fact]
    public void A_scan_of_a_dtype_or_width_that_its_kernel_does_not_serve_falls_back()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(4);
        foreach (var width in new[] { 8, 6 })
        {
            Tensor[] inputs =
            [
                randn([2, width, 9], generator: random), randn([2, width, 9], generator: random), rand([width, 3], generator: random) * -2 - 0.1,
                randn([2, 3, 9], generator: random), randn([2, 3, 9], generator: random),
            ];
            Tensor Run(Func<Tensor, Tensor> change)
            {
                var own = inputs.Select(change).ToArray();
                return SelectiveScan.Run(own[0], own[1], own[2], own[3], own[4]).Output;
            }
            var exact = Run(input => input.to(ScalarType.Float64));
            Assert.Equal(ScalarType.Float64, exact.dtype);
            Close.Check($"width {width}", exact, Run(input => input), relativeToLargest: 1e-5);
            Close.Check($"width {width}, strided", exact, Run(input => input.transpose(0, -1).contiguous().transpose(0, -1)), relativeToLargest: 1e-5);
        }
    }

    private static void Refused(string option, Func<LanguageModelBuilder, LanguageModelBuilder> add, Func<LayerContext, nn.Module> make)
    {
        Assert.Contains(option, Assert.Throws<ConfigurationException>(() => add(ToyModel.Builder(1)).Build()).Message, StringComparison.Ordinal);
        Assert.Contains(option, Assert.ThrowsAny<ArgumentException>(() => ToyModel.Component(ToyModel.Builder(1), make)).Message, StringComparison.Ordinal);
    }

    // Without taps a convolution has x.Length - 1 samples by the rule; x itself must fit all the same.
    [Theory]
    [InlineData(9, 0)]
    [InlineData(0, 9)]
    [InlineData(5, 5)]
    public void A_transform_too_small_for_what_it_is_given_is_refused_and_one_that_fits_is_not(long samples, long taps)
    {
        using var scope = NewDisposeScope();
        var fft = new MonarchFft(2, 4);
        Assert.Contains("would wrap around a transform of 8", Assert.Throws<ArgumentException>(() => fft.Convolve(ones(samples), ones(taps))).Message, StringComparison.Ordinal);
        foreach (var (length, width) in new[] { (8L, 0L), (0L, 8L), (4L, 5L) })
            _ = fft.Convolve(ones(length), ones(width));
        Close.Check("no taps", zeros(8), fft.Convolve(ones(8), ones(0)), absolute: 1e-6);
    }
}
