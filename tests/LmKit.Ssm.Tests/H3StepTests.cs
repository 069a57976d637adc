using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

/// <summary>The fused step equals the library's operations, and whatever else holds a state's memory never sees it written.</summary>
[NoTensorLeak]
[Trait("Category", "Kernel")]
public class H3StepTests
{
    // The statement of the kernel's entry, over twelve steps.
    private const double Tolerance = 1e-5;

    private const int Steps = 12;

    [Theory]
    [InlineData(1, 1, 16, 64, 0)]
    [InlineData(2, 1, 17, 64, 0)]
    [InlineData(3, 1, 37, 6, 0)]
    [InlineData(4, 1, 5, 2, 0)]
    [InlineData(5, 1, 12, 4, 0)]
    [InlineData(2, 1, 7, 64, 1)]
    [InlineData(2, 1, 7, 32, 17)]
    [InlineData(1, 1, 9, 16, 40)]
    [InlineData(2, 2, 14, 64, 0)]
    [InlineData(5, 3, 33, 6, 0)]
    [InlineData(1, 4, 12, 4, 18)]
    [InlineData(3, 8, 24, 2, 0)]
    [InlineData(2, 16, 48, 10, 5)]
    [InlineData(1, 1, 300, 64, 0)]
    public void The_fused_step_equals_the_reference(long batch, long headDim, long modelDim, long stateDim, long shiftDim)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make(headDim, modelDim, stateDim, shiftDim);
        using var expected = mixer.NewState(batch);
        using var actual = mixer.NewState(batch);
        var x = Tokens(batch, modelDim);
        for (var token = 0; token < Steps; token++)
            Same($"token {token}", Step(KernelChoice.Reference, mixer, x, token, expected), Step(KernelChoice.Cpu, mixer, x, token, actual));
        Same("state", expected, actual);
    }

    [Fact]
    public void Two_threads_give_what_one_gives_bit_for_bit()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make(1, 768, 64, 0);
        using var alone = mixer.NewState(2);
        using var shared = mixer.NewState(2);
        var x = Tokens(2, 768);
        var before = get_num_threads();
        for (var token = 0; token < Steps; token++)
        {
            var expected = Step(KernelChoice.Cpu, mixer, x, token, alone);
            set_num_threads(2);
            try
            {
                Close.Check($"token {token}", expected, Step(KernelChoice.Cpu, mixer, x, token, shared));
            }
            finally
            {
                set_num_threads(before);
            }
        }
    }

    [Fact]
    public void A_prompt_and_steps_in_turn_equal_the_whole_sequence()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make(2, 12, 16, 0);
        var x = Tokens(3, 12);
        using var state = mixer.NewState(3);
        var context = new SequenceContext(state);
        Tensor[] parts = [.. new[] { (0, 3), (3, 1), (4, 1), (5, 4), (9, 1), (10, 1), (11, 1) }.Select(cut => mixer.call(x.narrow(1, cut.Item1, cut.Item2), context))];

        Same("whole", mixer.call(x, null), cat(parts, 1));
    }

    [Fact]
    public void A_fork_rolls_back_and_what_was_read_before_a_step_stays_as_it_was()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make(1, 9, 64, 0);
        var x = Tokens(2, 9);
        using var state = mixer.NewState(2);
        for (var token = 0; token < 5; token++)
            _ = Step(KernelChoice.Cpu, mixer, x, token, state);
        using var fork = state.Fork(tensor(new long[] { 1, 0, 1 }));
        var read = state.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.alias());
        var kept = read.ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        var next = Step(KernelChoice.Cpu, mixer, x, 5, state);
        _ = Step(KernelChoice.Cpu, mixer, x, 6, state);
        foreach (var (name, value) in kept)
            Close.Check(name, value, read[name]);
        using var again = fork.Fork(tensor(new long[] { 1, 0 }));

        Close.Check("again", next, Step(KernelChoice.Cpu, mixer, x, 5, again));
    }

    [Fact]
    public void A_pass_recorded_from_a_state_is_not_changed_by_the_steps_after_it()
    {
        using var scope = NewDisposeScope();
        using var mixer = Make(1, 8, 16, 0);
        var x = Tokens(2, 8);
        Tensor[] gradients = [.. new[] { false, true }.Select(steps =>
        {
            using var state = mixer.NewState(2);
            using (no_grad())
                _ = mixer.call(x.narrow(1, 0, 1), new SequenceContext(state));
            var loss = mixer.call(x.narrow(1, 1, 6), new SequenceContext(state)).square().sum();
            if (steps)
            {
                using var frozen = no_grad();
                for (var token = 7; token < 10; token++)
                    _ = mixer.call(x.narrow(1, token, 1), new SequenceContext(state));
            }
            return cat([.. autograd.grad([loss], [.. mixer.parameters()]).Select(gradient => gradient.reshape(-1))]);
        })];

        Close.Check("gradients", gradients[0], gradients[1]);
    }

    [Fact]
    public void Padded_and_packed_rows_step_as_the_reference_does()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make(2, 12, 8, 0);
        var x = Tokens(3, 12);
        long[][] documents = [[0, 0, 0], [0, -1, 0], [-1, 0, 1], [1, 0, 1], [1, 1, -1], [-1, -1, -1], [1, 1, 2], [2, 1, 2]];
        using var expected = mixer.NewState(3);
        using var actual = mixer.NewState(3);
        for (var token = 0; token < documents.Length; token++)
        {
            var segments = tensor(documents[token], [3, 1]);
            var valid = segments.ge(0).unsqueeze(-1);
            Same($"token {token}", Step(KernelChoice.Reference, mixer, x, token, expected, segments) * valid, Step(KernelChoice.Cpu, mixer, x, token, actual, segments) * valid);
        }
        Same("state", expected, actual);
    }

    [Fact]
    public void A_state_saved_and_restored_between_steps_goes_on()
    {
        var path = Path.GetTempFileName();
        try
        {
            using var scope = NewDisposeScope();
            using var frozen = no_grad();
            using var mixer = Make(1, 10, 64, 0);
            var x = Tokens(1, 10);
            using var state = mixer.NewState(1);
            using var restored = mixer.NewState(1);
            for (var token = 0; token < 4; token++)
                _ = Step(KernelChoice.Cpu, mixer, x, token, state);
            StateFile.Save(path, state);
            _ = Step(KernelChoice.Cpu, mixer, x, 9, restored);
            StateFile.Restore(path, restored);

            for (var token = 4; token < Steps; token++)
                Close.Check($"token {token}", Step(KernelChoice.Cpu, mixer, x, token, state), Step(KernelChoice.Cpu, mixer, x, token, restored));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData(KernelChoice.Reference)]
    [InlineData(KernelChoice.Cpu)]
    public void A_state_of_another_size_is_refused_with_both_shapes(KernelChoice choice)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var wide = Make(1, 8, 64, 0);
        using var narrow = Make(1, 8, 8, 0);
        using var shiftless = Make(1, 8, 64, 8);
        using var paired = Make(2, 8, 64, 0);
        var x = Tokens(2, 8);
        using var state = wide.NewState(2);
        foreach (var (mixer, shapes) in new[] { (narrow, "(2, 8, 8); this state holds (2, 8, 64)"), (shiftless, "(2, 8, 8); this state holds (2, 8, 64)"), (paired, "(2, 2, 2, 4, 32, 2); this state holds (2, 1, 1, 8, 32, 2)") })
        {
            Assert.Contains(shapes, Assert.Throws<ArgumentException>(() => Step(choice, mixer, x, 0, state)).Message, StringComparison.Ordinal);
            using var foreign = mixer.NewState(2);
            Assert.Contains("this state holds", Assert.Throws<ArgumentException>(() => Step(choice, wide, x, 0, foreign)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_state_of_another_model_is_refused()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var wide = ToyModel.Builder(dtype: ScalarType.Float32).AddH3(h3 => h3.StateDim = 64).Build();
        using var narrow = ToyModel.Builder(dtype: ScalarType.Float32).AddH3(h3 => h3.StateDim = 8).Build();
        using var foreign = narrow.NewState(1);
        using var wideMixer = Make(1, 8, 64, 0);
        using var narrowMixer = Make(1, 8, 8, 0);
        using var narrowState = narrowMixer.NewState(1);

        var whole = Assert.Throws<ArgumentException>(() => wide.call(zeros([1, 1], ScalarType.Int64), new SequenceContext(foreign)));
        var alone = Assert.Throws<ArgumentException>(() => wideMixer.call(zeros(1, 1, 8), new SequenceContext(narrowState)));

        Assert.Contains("other layers", whole.Message, StringComparison.Ordinal);
        Assert.Contains("(1, 8, 64); this state holds (1, 8, 8)", alone.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Narrower_registers_read_tables_of_their_own()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make(1, 12, 64, 0);
        using var expected = mixer.NewState(2);
        using var actual = mixer.NewState(2);
        var x = Tokens(2, 12);
        for (var token = 0; token < Steps; token++)
        {
            using var limit = SimdWidth.Limit(SimdWidth.All[token % SimdWidth.All.Count]);
            Same($"token {token}", Step(KernelChoice.Reference, mixer, x, token, expected), Step(KernelChoice.Cpu, mixer, x, token, actual));
        }
    }

    private static H3Mixer Make(long headDim, long modelDim, long stateDim, long shiftDim) =>
        ToyH3.Build(new H3Options { HeadDim = headDim, StateDim = stateDim, ShiftDim = shiftDim }, ScalarType.Float32, modelDim);

    private static Tensor Tokens(long batch, long modelDim)
    {
        using var random = new Generator(11);
        return randn([batch, Steps, modelDim], generator: random);
    }

    private static Tensor Step(KernelChoice choice, H3Mixer mixer, Tensor x, int token, MixerState state, Tensor? segments = null)
    {
        using var chosen = KernelSelection.Use(choice);
        return mixer.call(x.narrow(1, token, 1), new SequenceContext(state, segments));
    }

    private static void Same(string name, MixerState expected, MixerState actual)
    {
        var held = actual.Tensors;
        foreach (var (part, value) in expected.Tensors)
            Same($"{name} {part}", value, held[part]);
    }

    private static void Same(string name, Tensor expected, Tensor actual) => Close.Check(name, expected, actual, absolute: 1e-7, relativeToLargest: Tolerance);
}
