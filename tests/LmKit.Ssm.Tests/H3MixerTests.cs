using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

[NoTensorLeak]
public class H3MixerTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(8)]
    [InlineData(24)]
    public void Step_by_step_equals_the_convolution_for_any_head_width_and_length(long headDim)
    {
        using var frozen = no_grad();
        foreach (var (dtype, absolute, relative) in new[] { (ScalarType.Float64, 1e-10, 0.0), (ScalarType.Float32, 0.0, 1e-5) })
        {
            using var scope = NewDisposeScope();
            using var random = new Generator(3);
            using var mixer = ToyH3.Build(new H3Options { HeadDim = headDim, StateDim = 16 }, dtype, modelDim: 24);
            foreach (var length in new[] { 1, 2, 7, 31, 64, 200 })
            {
                var x = randn([2, length, 24], dtype, generator: random);
                using var state = mixer.NewState(2);
                var steps = x.split(1, 1).Select(token => mixer.call(token, new SequenceContext(state))).ToList();
                Close.Check($"length {length} in {dtype}", mixer.call(x, null), cat(steps, 1), absolute: absolute, relativeToLargest: relative);
            }
        }
    }

    [Fact]
    public void Single_token_calls_with_and_without_gradients_agree()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(4);
        using var mixer = ToyH3.Build(new H3Options { HeadDim = 2, StateDim = 8 });
        var x = randn([2, 6, 8], ScalarType.Float64, generator: random);
        using var convolved = mixer.NewState(2);
        using var stepped = mixer.NewState(2);
        foreach (var token in x.split(1, 1))
        {
            var slow = mixer.call(token, new SequenceContext(convolved));
            Assert.True(slow.requires_grad);
            using var frozen = no_grad();
            Close.Check("token", slow, mixer.call(token, new SequenceContext(stepped)), absolute: 1e-12);
        }
    }

    [Fact]
    public void Parameters_changed_between_calls_of_several_tokens_are_seen_by_the_next_step()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = ToyH3.Build();
        var x = ones([1, 4, 8], ScalarType.Float64);
        using var state = mixer.NewState(1);
        _ = mixer.call(x.narrow(1, 0, 1), new SequenceContext(state));
        mixer.get_parameter("kernel.kernel.C")!.mul_(3);
        _ = mixer.call(x.narrow(1, 1, 2), new SequenceContext(state));

        Close.Check("last", mixer.call(x, null).narrow(1, 3, 1), mixer.call(x.narrow(1, 3, 1), new SequenceContext(state)), absolute: 1e-10);
    }

    [Fact]
    public void A_cut_kernel_refuses_to_carry_state()
    {
        using var mixer = ToyH3.Build(new H3Options { StateDim = 8, MaxKernelLength = 5 });

        var error = Assert.Throws<NotSupportedException>(() => mixer.NewState(1));

        Assert.Contains("l_max = 5", error.Message, StringComparison.Ordinal);
        Assert.Contains(nameof(H3Options.CutsOnlyInTraining), error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kernel_cut_only_in_training_is_whole_in_evaluation()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var cut = ToyH3.Build(new H3Options { StateDim = 8, MaxKernelLength = 5, CutsOnlyInTraining = true });
        using var whole = ToyH3.Build(new H3Options { StateDim = 8 });
        var x = ones([1, 9, 8], ScalarType.Float64);
        cut.eval();
        Close.Check("evaluation", whole.call(x, null), cut.call(x, null));
        using var state = cut.NewState(1);
        Close.Check("with a state", whole.call(x, null), cut.call(x, new SequenceContext(state)), absolute: 1e-12);
        cut.train();
        Close.Check("within l_max", whole.call(x, null).narrow(1, 0, 5), cut.call(x, null).narrow(1, 0, 5), absolute: 1e-12);
        Assert.True((whole.call(x, null) - cut.call(x, null)).abs().max().item<double>() > 1e-3);
    }

    [Fact]
    public void A_half_precision_model_keeps_its_state_spaces_and_states_in_single_precision()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = ToyH3.Build(dtype: ScalarType.BFloat16);
        Assert.Equal(ScalarType.BFloat16, mixer.get_parameter("q_proj.weight")!.dtype);
        foreach (var name in new[] { "D", "ssm_k_D", "ssm_k_kernel.kernel.B", "ssm_k_kernel.kernel.C", "kernel.kernel.C", "kernel.kernel.B", "kernel.kernel.log_dt" })
            Assert.Equal(ScalarType.Float32, mixer.get_parameter(name)!.dtype);
        var x = ones([1, 6, 8], ScalarType.BFloat16);
        using var state = mixer.NewState(1);
        var y = mixer.call(x, new SequenceContext(state));
        Assert.Equal(ScalarType.BFloat16, y.dtype);
        Assert.Equal(ScalarType.BFloat16, mixer.call(x.narrow(1, 0, 1), new SequenceContext(state)).dtype);
        Assert.Equal(ScalarType.Float32, state.Tensors["diagonal"].dtype);
        Close.Check("bfloat16", mixer.call(x, null), y, relativeToLargest: 0.02);
    }

    [Fact]
    public void A_fork_of_no_rows_is_an_empty_state()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = ToyH3.Build();
        using var state = mixer.NewState(2);
        using var fork = state.Fork(zeros(0, dtype: ScalarType.Int64));

        Assert.Equal([0, 3, 8], mixer.call(zeros(0, 3, 8, dtype: ScalarType.Float64), new SequenceContext(fork)).shape);
        Assert.Equal(3, fork.Position);
    }

    [Fact]
    public void State_size_is_the_taps_and_the_stored_pairs()
    {
        using var mixer = ToyH3.Build(new H3Options { HeadDim = 2, StateDim = 16, ShiftDim = 4 });
        using var state = mixer.NewState(3);

        Assert.Equal([3, 8, 4], state.Tensors["recent_keys"].shape);
        Assert.Equal([3, 2, 2, 4, 8, 2], state.Tensors["diagonal"].shape);
    }

    [Fact]
    public void The_published_shift_state_is_the_raw_one_while_B_is_the_first_unit_vector()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = ToyH3.Build();
        using var state = (H3State)mixer.NewState(1);
        _ = mixer.call(arange(40, dtype: ScalarType.Float64).view(1, 5, 8), new SequenceContext(state));

        Close.Check("state", state.Tensors["recent_keys"], mixer.PublishedShiftState(state), absolute: 1e-11);
    }

    [Fact]
    public void A_saved_state_of_other_sizes_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var mixer = ToyH3.Build(new H3Options { StateDim = 8 });
        using var other = ToyH3.Build(new H3Options { StateDim = 16, ShiftDim = 8 });
        using var state = mixer.NewState(2);
        using var foreign = other.NewState(2);

        var error = Assert.Throws<ArgumentException>(() => state.Restore(foreign.Tensors, 0));

        Assert.Contains("'diagonal'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_the_published_list_of_parameters_is_trained_apart()
    {
        using var mixer = ToyH3.Build();
        var apart = new List<string>();
        foreach (var (path, module) in mixer.named_modules())
        {
            foreach (var (name, _) in module.named_parameters(recurse: false))
            {
                if ((module as IParameterHints)?.Hint(name) is { } hint)
                {
                    Assert.Equal(new ParameterHint(MaxLearningRate: 1e-3, Decays: false), hint);
                    apart.Add($"{path}.{name}");
                }
            }
        }

        Assert.Equal(
            ["kernel.kernel.A_imag", "kernel.kernel.B", "kernel.kernel.inv_A_real", "kernel.kernel.log_dt", "ssm_k_kernel.kernel.B"],
            apart.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Training_steps_leave_no_tensor_behind()
    {
        using var mixer = ToyH3.Build(dtype: ScalarType.Float32);
        using var optimizer = optim.AdamW(mixer.parameters(), 1e-3);
        Step();
        LiveTensors.Unchanged("50 training steps", () =>
        {
            for (var step = 0; step < 50; step++)
                Step();
        });

        void Step()
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            mixer.call(ones(2, 9, 8), null).square().mean().backward();
            optimizer.step();
        }
    }
}
