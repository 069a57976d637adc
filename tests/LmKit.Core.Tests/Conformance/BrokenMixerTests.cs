using System.Reflection;
using LmKit.Conformance;
using Xunit.Sdk;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>The laws themselves under test: a mixer that breaks one fails the law that says so.</summary>
public class BrokenMixerTests
{
    [Fact]
    public void A_mixer_that_keeps_every_law_passes_every_law() => Assert.Empty(Fails(BrokenLaw.None));

    [Theory]
    [InlineData(BrokenLaw.LeaksFuture, nameof(CausalMixerConformance.Outputs_ignore_later_tokens))]
    [InlineData(BrokenLaw.LeaksFuture, nameof(CausalMixerConformance.However_a_sequence_is_cut_the_outputs_equal_the_whole))]
    [InlineData(BrokenLaw.MixesRows, nameof(MixerConformance.Rows_are_independent))]
    [InlineData(BrokenLaw.MixesDocuments, nameof(MixerConformance.Packed_documents_give_what_they_give_alone))]
    [InlineData(BrokenLaw.MixesDocuments, nameof(CausalMixerConformance.Packed_documents_give_what_they_give_alone_wherever_the_chunks_are_cut))]
    [InlineData(BrokenLaw.SeesPadding, nameof(MixerConformance.Padding_changes_no_valid_output_and_stays_finite))]
    [InlineData(BrokenLaw.MixesDocuments, nameof(MixerConformance.Packed_documents_give_what_they_give_alone_in_single_precision))]
    [InlineData(BrokenLaw.SeesPadding, nameof(MixerConformance.Padding_changes_no_valid_output_and_stays_finite_in_single_precision))]
    [InlineData(BrokenLaw.SeesPadding, nameof(MixerConformance.Padding_neither_gets_nor_spoils_gradients))]
    [InlineData(BrokenLaw.SeesPadding, nameof(CausalMixerConformance.A_chunk_of_padding_keeps_the_state))]
    [InlineData(BrokenLaw.ForgetsAtCuts, nameof(CausalMixerConformance.However_a_sequence_is_cut_the_outputs_equal_the_whole))]
    [InlineData(BrokenLaw.ForgetsAtCuts, nameof(CausalMixerConformance.However_a_sequence_is_cut_the_outputs_equal_the_whole_in_single_precision))]
    [InlineData(BrokenLaw.SharesFork, nameof(CausalMixerConformance.A_fork_is_a_copy_that_goes_its_own_way))]
    [InlineData(BrokenLaw.RestoresWithoutCopy, nameof(CausalMixerConformance.A_state_saved_and_restored_goes_on_as_if_it_had_stayed))]
    [InlineData(BrokenLaw.GoesBackInNameOnly, nameof(CausalMixerConformance.A_state_that_went_back_gives_what_it_gives_without_what_it_took_back))]
    [InlineData(BrokenLaw.GoesBackInNameOnly, nameof(CausalMixerConformance.A_state_may_go_back_after_every_call_over_documents_and_padding))]
    [InlineData(BrokenLaw.GoesBackInNameOnly, nameof(CausalMixerConformance.A_state_that_went_back_is_forked_and_saved_like_any_other))]
    [InlineData(BrokenLaw.GoesBackInNameOnly, nameof(CausalMixerConformance.A_restored_state_goes_back_as_far_as_the_saved_one_could))]
    [InlineData(BrokenLaw.GoesBackTooFar, nameof(CausalMixerConformance.Going_back_further_than_the_room_or_at_all_where_it_cannot_is_refused_and_changes_nothing))]
    [InlineData(BrokenLaw.WrongGradient, nameof(MixerConformance.Gradients_agree_with_central_differences))]
    [InlineData(BrokenLaw.WritesInput, nameof(MixerConformance.The_input_is_not_changed))]
    [InlineData(BrokenLaw.LeavesTensor, nameof(MixerConformance.No_call_leaves_a_tensor_behind))]
    [InlineData(BrokenLaw.LeavesTensor, nameof(CausalMixerConformance.Streaming_leaves_no_tensor_behind))]
    [InlineData(BrokenLaw.AcceptsAnyWidth, nameof(MixerConformance.A_wrong_width_or_rank_is_refused_by_name))]
    public void A_mixer_that_breaks_a_law_fails_it(BrokenLaw broken, string law) => Assert.Contains(law, Fails(broken));

    [Fact]
    public void A_bare_refusal_of_state_is_not_enough()
    {
        var suite = new BidirectionalSuite();

        Assert.ThrowsAny<XunitException>(suite.State_is_refused_with_a_reason);
    }

    [Fact]
    public void A_state_that_grows_is_not_constant() => Assert.ThrowsAny<XunitException>(new GrowingSuite().State_grows_as_promised);

    private static List<string> Fails(BrokenLaw broken)
    {
        var suite = new Suite(broken);
        var laws = typeof(CausalMixerConformance).GetMethods().Where(method => method.IsDefined(typeof(FactAttribute)) && method.GetParameters().Length == 0);
        return [.. laws.Where(law => !Passes(law, suite)).Select(law => law.Name)];
    }

    private static bool Passes(MethodInfo law, Suite suite)
    {
        try
        {
            law.Invoke(suite, null);
            return true;
        }
        catch (TargetInvocationException)
        {
            return false;
        }
    }

    private sealed class Suite(BrokenLaw broken) : CausalMixerConformance
    {
        protected override long ModelDim => 3;

        protected override IMixer Create(ScalarType dtype) => new BrokenMixer(broken, ModelDim);
    }

    private sealed class BidirectionalSuite : BidirectionalMixerConformance
    {
        protected override long ModelDim => 3;

        protected override IMixer Create(ScalarType dtype) => new BrokenMixer(BrokenLaw.RefusesWithoutReason, ModelDim);
    }

    private sealed class GrowingSuite : CausalMixerConformance
    {
        protected override long ModelDim => ToyModel.ModelDim;

        protected override IMixer Create(ScalarType dtype) => ToyModel.Component(ToyModel.Builder(dtype: dtype), layer => new Attention(new AttentionOptions(), layer));
    }
}
