using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

/// <summary>Steps see the parameters that the mixer has now, whatever tables an earlier step left.</summary>
[NoTensorLeak]
public class DecodeTablesTests
{
    [Theory]
    [InlineData("h3")]
    [InlineData("s4d")]
    public void A_state_passed_to_another_model_is_stepped_by_that_models_parameters(string kind)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var first = Make(kind, 1);
        using var second = Make(kind, 2);
        using var state = ((IMixer)first).NewState(2);
        _ = Step(first, state);

        CheckStep(second, state);
        CheckStep(first, state);
    }

    [Theory]
    [InlineData("h3")]
    [InlineData("s4d")]
    public void A_step_after_the_weights_were_averaged_and_after_they_were_put_back_sees_them(string kind)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make(kind, 1);
        using var average = new WeightAverage(mixer, 0.5);
        Change(mixer);
        using var state = ((IMixer)mixer).NewState(2);
        _ = Step(mixer, state);
        using (average.Swap())
            CheckStep(mixer, state);
        CheckStep(mixer, state);
    }

    [Theory]
    [InlineData("h3")]
    [InlineData("s4d")]
    public void A_step_after_loading_sees_the_loaded_weights(string kind)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make(kind, 1);
        using var other = Make(kind, 2);
        using var state = ((IMixer)mixer).NewState(2);
        _ = Step(mixer, state);
        CheckpointLoader.Load(mixer, ModuleTensors.Of(other));

        CheckStep(mixer, state);
    }

    [Theory]
    [InlineData("h3")]
    [InlineData("s4d")]
    public void A_step_after_training_sees_the_trained_weights(string kind)
    {
        using var scope = NewDisposeScope();
        using var mixer = Make(kind, 1);
        using var state = ((IMixer)mixer).NewState(2);
        using (no_grad())
            _ = Step(mixer, state);
        mixer.call(ones([2, 3, 8], ScalarType.Float64), null).square().sum().backward();
        using var frozen = no_grad();
        foreach (var parameter in mixer.parameters())
        {
            if (parameter.grad is { } gradient)
                _ = parameter.sub_(gradient.sign().mul_(0.3));
        }

        CheckStep(mixer, state);
    }

    [Theory]
    [InlineData("h3")]
    [InlineData("s4d")]
    public void A_step_after_the_mixer_took_another_dtype_works_in_it(string kind)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make(kind, 1);
        using var state = ((IMixer)mixer).NewState(2);
        _ = Step(mixer, state);
        _ = mixer.to(ScalarType.Float32);

        CheckStep(mixer, state, ScalarType.Float32);
    }

    private static nn.Module<Tensor, SequenceContext?, Tensor> Make(string kind, ulong seed)
    {
        var builder = new LanguageModelBuilder { VocabSize = 11, ModelDim = 8, LayerCount = 2, Dtype = ScalarType.Float64 };
        builder.Options.InitializerRange = 0.4;
        using var random = new Generator(seed);
        var layer = builder.CreateLayerContext(0, random);
        return kind == "h3" ? new H3Mixer(new H3Options { StateDim = 8, HeadDim = 2 }, layer) : new S4DMixer(new S4DOptions { StateDim = 8 }, layer);
    }

    private static void Change(nn.Module mixer)
    {
        foreach (var parameter in mixer.parameters())
            _ = parameter.mul_(1.3);
    }

    private static Tensor Step(nn.Module<Tensor, SequenceContext?, Tensor> mixer, MixerState state, ScalarType dtype = ScalarType.Float64) =>
        mixer.call(ones([2, 1, 8], dtype), new SequenceContext(state));

    // What forgot its tables steps by what the parameters are now.
    private static void CheckStep(nn.Module<Tensor, SequenceContext?, Tensor> mixer, MixerState state, ScalarType dtype = ScalarType.Float64)
    {
        using var fork = state.Fork(arange(2, dtype: ScalarType.Int64));
        var actual = Step(mixer, state, dtype);
        IPreparedWeights.ForgetAll(mixer);
        var expected = Step(mixer, fork, dtype);
        Assert.Equal(expected.dtype, actual.dtype);
        Close.Check("step", expected, actual, absolute: 1e-12);
    }
}
