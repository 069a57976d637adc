using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

/// <summary>Tests 1 and 2 against a computation of their own: at the last residual, logits are the head of its normalised value.</summary>
[NoTensorLeak]
public sealed class IoiApproximationTests
{
    private const double Tolerance = 1e-9;
    private static readonly CircuitSection last = new("last", [new("layers.1.resid_post", IoiPosition.End)]);

    [Fact]
    public void Sufficiency_and_necessity_are_what_the_head_makes_of_rebuilt_and_left_values()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var world = new World();
        using var dictionary = world.Dictionary();
        var (values, mean) = (world.Values(world.Batch), world.Values(world.Batch).mean([0L]));
        var rebuilt = world.Codes(world.Batch.Attributes).mm(dictionary.Atoms) + dictionary.Bias;
        var (clean, ablated) = (world.Difference(values), world.Difference(mean.expand_as(values)));
        var (kept, left) = (world.Difference(rebuilt), world.Difference(mean + values - rebuilt));

        var result = ApproximationTest.Run(world.Model, last, dictionary, world.Batch, mean);

        Assert.True(Math.Abs(clean - ablated) > 0.1 * Math.Abs(clean) && Math.Abs(kept - clean) > 1e-4 && Math.Abs(left - ablated) > 1e-4, $"{clean}, {ablated}, {kept} and {left} are too alike to tell.");
        Assert.Equal(clean, result.CleanDifference, Tolerance);
        Assert.Equal(ablated, result.AblatedDifference, Tolerance);
        Assert.Equal(kept / clean, result.Sufficiency.Sufficiency, Tolerance);
        Assert.Equal((kept - ablated) / (clean - ablated), result.Sufficiency.SignedRecovered, Tolerance);
        Assert.Equal(1 - Math.Abs((ablated - left) / (ablated - clean)), result.Necessity.Necessity, Tolerance);
    }

    [Fact]
    public void Agreement_is_the_share_of_prompts_where_the_edit_predicts_what_the_other_prompt_does()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var world = new World();
        using var dictionary = world.Dictionary();
        var differing = 0;
        foreach (var block in new[] { 0, 1, 2 })
        {
            var (from, to) = (world.Values(world.Batch), world.Values(world.Others[block]));
            var edited = from + (world.Codes(world.Others[block].Attributes, block) - world.Codes(world.Batch.Attributes, block)).mm(dictionary.Atoms);
            double Share(Tensor a) => world.Head(a).argmax(1).eq(world.Head(to).argmax(1)).to(ScalarType.Float64).mean().item<double>();

            var result = ControllabilityTest.RunSupervised(world.Model, last, dictionary, world.Batch, world.Others[block], block);

            Assert.Equal((1, Share(edited), Share(from)), (result.FeatureCount, result.Agreement, result.AgreementWithoutEdit));
            differing += result.Agreement == result.AgreementWithoutEdit ? 0 : 1;
        }
        Assert.True(differing > 0, "Edits change no prediction, so that nothing was compared.");
    }

    private sealed class World : IDisposable
    {
        private readonly int names = IoiWords.Small.Names.Count;

        internal World()
        {
            using var random = new Generator(1);
            var (dataset, vocabulary) = IoiDataset.WithOwnVocabulary(IoiWords.Small);
            Model = new LanguageModelBuilder { VocabSize = vocabulary, ModelDim = 16, LayerCount = 2, Dtype = ScalarType.Float64 }.AddAttention(attention => attention.HeadCount = 2).Build();
            Stir(Model);
            var prompts = dataset.Draw(200, random);
            Batch = dataset.Tokenize(prompts);
            Others = [.. IoiBatch.AttributeNames.Select(name => dataset.Tokenize(dataset.Counterfactual(prompts, name, random)))];
        }

        internal LanguageModel Model { get; }

        internal IoiBatch Batch { get; }

        internal IoiBatch[] Others { get; }

        internal AttributeBlock[] Blocks => [new("io", [0], [names]), new("s", [1], [names]), new("io_pos", [2], [2])];

        internal SupervisedDictionary Dictionary() => SupervisedDictionary.Fit(Values(Batch), Batch.Attributes, Blocks);

        /// <summary>The last residual at the last token (B, D), by the hook itself.</summary>
        internal Tensor Values(IoiBatch batch)
        {
            Tensor? seen = null;
            using (Model.HookPoints["layers.1.resid_post"].Attach(activation =>
            {
                seen = activation.select(1, activation.size(1) - 1).clone().DetachFromDisposeScope();
                return activation;
            }))
            {
                Model.call(batch.Tokens, null).Dispose();
            }
            using (seen)
                return seen!.alias();
        }

        /// <summary>Logits of residuals: layer normalisation written out, then the head.</summary>
        internal Tensor Head(Tensor values)
        {
            var centred = values - values.mean([1L], keepdim: true);
            var normal = centred / (centred.square().mean([1L], keepdim: true) + 1e-5).sqrt();
            return Model.Logits(normal * Model.get_parameter("ln_f.weight")! + Model.get_parameter("ln_f.bias")!);
        }

        internal double Difference(Tensor values)
        {
            var logits = Head(values);
            return Enumerable.Range(0, (int)logits.size(0)).Average(row => logits[row, Batch.Answers[row].item<long>()].item<double>() - logits[row, Batch.Subjects[row].item<long>()].item<double>());
        }

        /// <summary>One-hot codes (B, F) of attributes (B, 3); of one block alone where one is named.</summary>
        internal Tensor Codes(Tensor attributes, int? only = null)
        {
            var parts = new[] { names, names, 2 }.Select((size, block) => nn.functional.one_hot(attributes.select(1, block), size).to(ScalarType.Float64) * (only is null || only == block ? 1 : 0));
            return cat([.. parts], 1);
        }

        public void Dispose()
        {
            Model.Dispose();
            Batch.Dispose();
            Array.ForEach(Others, other => other.Dispose());
        }

        // Weights large enough for prompts to differ in what they predict.
        private static void Stir(LanguageModel model)
        {
            using var random = new Generator(2);
            foreach (var (name, parameter) in model.named_parameters())
            {
                using var noise = randn(parameter.shape, ScalarType.Float64, generator: random);
                if (!name.Contains("norm", StringComparison.Ordinal))
                    parameter.add_(noise.mul_(0.3));
            }
        }
    }
}
