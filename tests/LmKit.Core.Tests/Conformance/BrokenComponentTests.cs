using LmKit.Conformance;
using TorchSharp;
using Xunit.Sdk;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>The other suites under test: a component that breaks a law fails it.</summary>
public class BrokenComponentTests
{
    [Fact]
    public void A_square_is_no_linear() => Fails(new SquareSuite().The_map_is_affine, new SquareSuite().A_call_is_the_dense_weight_applied_plus_the_value_at_zero);

    [Fact]
    public void A_mask_that_sees_ahead_is_not_causal() => Fails(new MaskSuite(1, 3).A_causal_mask_hides_every_later_key);

    [Fact]
    public void A_mask_that_sees_a_hidden_key_again_does_not_forget() => Fails(new MaskSuite(0, 3).What_a_forgetting_mask_hides_stays_hidden);

    [Fact]
    public void A_sampler_that_edits_the_prompt_fails() =>
        Fails(new SamplerSuite(SamplerFault.EditsPrompt).Prompt_tokens_never_change_on_the_way, () => new SamplerSuite(SamplerFault.EditsPrompt).The_sample_has_as_many_columns_as_asked_and_starts_with_the_prompt(7));

    [Fact]
    public void A_sampler_that_is_one_column_short_fails() =>
        Fails(() => new SamplerSuite(SamplerFault.OneShort).The_sample_has_as_many_columns_as_asked_and_starts_with_the_prompt(7));

    [Fact]
    public void A_sampler_that_ignores_the_generator_fails() => Fails(new SamplerSuite(SamplerFault.OwnSeed).The_same_seed_gives_the_same_sample_and_another_seed_another);

    [Fact]
    public void A_sampler_whose_rows_share_a_generator_fails() => Fails(new SamplerSuite(SamplerFault.SharesGenerator).A_row_alone_is_the_row_in_any_batch_whatever_the_others_want);

    [Fact]
    public void A_sampler_that_passes_over_what_it_was_asked_fails() =>
        Fails(new SamplerSuite(SamplerFault.IgnoresOptions).An_option_of_a_row_is_obeyed_or_refused_at_the_call_by_its_name, new SamplerSuite(SamplerFault.ChecksLate).A_request_that_cannot_be_is_refused_at_the_call);

    [Fact]
    public void A_sampler_that_always_draws_the_same_fails() => Fails(new SamplerSuite(SamplerFault.Constant).The_same_seed_gives_the_same_sample_and_another_seed_another);

    [Fact]
    public void A_sampler_that_forgets_its_grid_fails() => Fails(new SamplerSuite(SamplerFault.Leaks).Sampling_leaves_no_tensor_behind_however_early_it_stops);

    [Fact]
    public void A_sampler_that_holds_a_scope_across_its_yields_fails() => Fails(new SamplerSuite(SamplerFault.HoldsScope).A_consumer_keeps_its_own_tensors);

    [Fact]
    public void A_dictionary_with_a_wrong_decoder_or_sign_fails() =>
        Fails(new DictionarySuite().Decoding_is_codes_times_atoms_plus_bias, new DictionarySuite().Codes_keep_the_promise_of_sign_and_sparsity);

    [Fact]
    public void A_kernel_that_is_wrong_beyond_a_length_or_for_strides_fails() =>
        Fails(new KernelSuite(KernelFault.Length).The_fast_form_equals_the_reference, new KernelSuite(KernelFault.Gradient).Backward_of_the_fast_form_equals_that_of_the_reference, new KernelSuite(KernelFault.Strides).Strides_and_storage_offsets_do_not_matter);

    private static void Fails(params Action[] laws)
    {
        foreach (var law in laws)
            _ = Assert.ThrowsAny<XunitException>(law);
    }

    private static void Fails(Action first, Action<ScalarType> second) => Fails(first, () => second(ScalarType.Float64));

    private enum SamplerFault
    {
        EditsPrompt,
        OneShort,
        OwnSeed,
        SharesGenerator,
        IgnoresOptions,
        ChecksLate,
        Constant,
        Leaks,
        HoldsScope,
    }

    private enum KernelFault
    {
        Length,
        Gradient,
        Strides,
    }

    private sealed class SquareLinear() : nn.Module<Tensor, Tensor>(nameof(SquareLinear)), ILinear
    {
        public long InFeatures => 3;

        public long OutFeatures => 3;

        public Tensor ToDense() => eye(3, dtype: ScalarType.Float64);

        public override Tensor forward(Tensor x) => x.square();
    }

    private sealed class SquareSuite : LinearConformance
    {
        protected override long InFeatures => 3;

        protected override long OutFeatures => 3;

        protected override ILinear Create(ScalarType dtype) => new SquareLinear();
    }

    /// <summary>Sees <paramref name="ahead"/> keys too far and every <paramref name="period"/>-th key.</summary>
    private sealed class FaultyMask(long ahead, long period) : IAttentionMask
    {
        public bool IsCausal => true;

        public bool Forgets => true;

        public long? DistanceCeiling => null;

        public Tensor? Visible(Tensor queries, Tensor keys)
        {
            using var scope = NewDisposeScope();
            var distance = queries.unsqueeze(-1) - keys.unsqueeze(-2);
            return distance.ge(-ahead).logical_and(distance.remainder(period).eq(0).logical_or(distance.lt(0))).MoveToOuterDisposeScope();
        }
    }

    private sealed class MaskSuite(long ahead, long period) : AttentionMaskConformance
    {
        protected override IAttentionMask Create() => new FaultyMask(ahead, period);
    }

    private sealed class FaultySampler(SamplerFault fault) : ISampler
    {
        public IEnumerable<Tensor> Sample(SampleRequest request)
        {
            if (fault != SamplerFault.ChecksLate)
                request.Check(this, fault == SamplerFault.IgnoresOptions ? typeof(SampleOptions).GetProperties().Select(property => property.Name) : []);
            return Run(request with { Rows = null });
        }

        private IEnumerable<Tensor> Run(SampleRequest request)
        {
            var scope = fault == SamplerFault.HoldsScope ? NewDisposeScope() : null;
            var sampler = new UniformSampler(fault == SamplerFault.Constant ? 1 : 5);
            using var shared = request.Generators is { } given && fault == SamplerFault.SharesGenerator ? RowGenerators.Derive(given[^1], given.Count) : null;
            foreach (var grid in sampler.Sample(request with { Length = fault == SamplerFault.OneShort ? request.Length - 1 : request.Length, Generators = fault == SamplerFault.OwnSeed ? null : shared ?? request.Generators }))
            {
                if (fault == SamplerFault.EditsPrompt)
                    grid[0, 0] = 4L;
                if (fault == SamplerFault.Leaks)
                    grid.clone().DetachFromDisposeScope();
                yield return grid;
            }
            scope?.Dispose();
        }
    }

    private sealed class SamplerSuite(SamplerFault fault) : SamplerConformance
    {
        protected override long VocabSize => 5;

        protected override ISampler Create() => new FaultySampler(fault);

        protected override (ISampler Sampler, Tensor Expected)? Greedy(Tensor prompt, long length) => null;
    }

    private sealed class FaultyDictionary : IDictionary, IDisposable
    {
        private readonly LinearDictionary inner = new(6, 4, ScalarType.Float64);

        public Tensor Atoms => inner.Atoms;

        public Tensor Bias => inner.Bias;

        public Tensor Encode(ActivationBatch batch) => inner.Encode(batch).neg();

        public Tensor Decode(Tensor codes) => codes.relu().mm(Atoms) + Bias;

        public void Dispose() => inner.Dispose();
    }

    private sealed class DictionarySuite : FeatureDictionaryConformance
    {
        protected override long FeatureCount => 6;

        protected override long ModelDim => 4;

        protected override IDictionary Create(ScalarType dtype) => new FaultyDictionary();
    }

    private sealed class KernelSuite(KernelFault fault) : KernelConformance
    {
        protected override Func<IReadOnlyList<Tensor>, Tensor> Reference { get; } = inputs => inputs[0].sin();

        protected override Func<IReadOnlyList<Tensor>, Tensor> Fast => inputs => fault switch
        {
            KernelFault.Length => inputs[0].size(-1) > 64 ? inputs[0].sin() * 1.001 : inputs[0].sin(),
            KernelFault.Gradient => inputs[0].sin() + (inputs[0] - inputs[0].detach()) * 0.001,
            _ => inputs[0].is_contiguous() ? inputs[0].sin() : inputs[0].sin() * 1.001,
        };

        protected override IReadOnlyList<Tensor> Inputs(long length, ScalarType dtype, Generator random) => [randn([2, length], dtype, generator: random)];
    }
}
