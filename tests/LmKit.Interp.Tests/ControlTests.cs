using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

public class OrthogonalDictionaryConformanceTests : FeatureDictionaryConformance
{
    protected override long FeatureCount => 10;

    protected override double? ActiveLimit => 5;

    protected override long ModelDim => 5;

    protected override IDictionary Create(ScalarType dtype)
    {
        using var random = new Generator(1);
        using var mean = randn([ModelDim], dtype, generator: random);
        return OrthogonalDictionary.Draw(mean, random);
    }
}

[NoTensorLeak]
public class ControlTests
{
    [Fact]
    public void A_beam_of_one_is_greedy_and_a_wide_one_finds_the_best_pair()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(4);
        using var autoencoder = Parameters.Make(parameters => new VanillaAutoencoder(new VanillaOptions { ModelDim = 5, FeatureCount = 9 }, parameters));
        var (a, b) = (new ActivationBatch(randn([60, 5], ScalarType.Float64, generator: random)), new ActivationBatch(randn([60, 5], ScalarType.Float64, generator: random)));
        var greedy = SparseControl.Greedy(autoencoder, a, b, 4);
        var narrow = BeamControl.Search(autoencoder, a, b, 4, 1);
        Close.Check("greedy distances", greedy.Distances, narrow.Distances, absolute: 1e-9);
        Close.Check("greedy edit", greedy.Edited, narrow.Edited, absolute: 1e-9);

        var wide = BeamControl.Search(autoencoder, a, b, 2, 9);
        var delta = (autoencoder.Encode(b) - autoencoder.Encode(a)).unsqueeze(2) * autoencoder.Atoms.unsqueeze(0); // (B, F, D)
        var rest = (a.Values - b.Values).unsqueeze(1).unsqueeze(1) + delta.unsqueeze(1) + delta.unsqueeze(2) * (1 - eye(9, dtype: ScalarType.Float64)).unsqueeze(2);
        Close.Check("best pair", rest.norm(3).amin([1, 2]), wide.Distances.select(1, 1), absolute: 1e-9);
        Close.Check("its edit", (wide.Edited - b.Values).norm(1), wide.Distances.select(1, 1), absolute: 1e-9);
        Assert.True((greedy.Distances.select(1, 1) - wide.Distances.select(1, 1)).min().item<double>() >= -1e-9);
    }

    [Fact]
    public void Parts_of_a_score_add_up_to_it()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(4);
        var attributes = randint(0, 3, [50, 2], ScalarType.Int64, generator: random);
        AttributeBlock[] blocks = [new("a", [0], [3]), new("b", [1], [3])];
        Tensor Normal(params long[] shape) => randn(shape, ScalarType.Float64, generator: random);
        using var queries = SupervisedDictionary.Fit(Normal(50, 4), attributes, blocks);
        using var keys = SupervisedDictionary.Fit(Normal(50, 4), attributes, blocks);
        var (q, k) = (AttentionDecomposition.Parts(queries, attributes), AttentionDecomposition.Parts(keys, attributes));
        var scores = AttentionDecomposition.Scores(q, k);
        Assert.Equal([50, 3, 3], scores.shape);
        Close.Check("score", (queries.call(attributes) * keys.call(attributes)).sum(1) / 2, scores.sum([1, 2]), absolute: 1e-12);

        // The frozen norm is linear: parts composed one by one add up to the whole composed.
        var (output, weight, projection) = (Normal(6, 4), Normal(6), Normal(3, 6));
        var composed = AttentionDecomposition.Compose(q, output, weight, 1.7, projection);
        var written = queries.call(attributes).mm(output.t());
        var normed = (written - written.mean([1L], keepdim: true)) / 1.7 * weight;
        Close.Check("composed", normed.mm(projection.t()), composed.sum(1), absolute: 1e-10);
        Assert.Throws<ArgumentException>(() => AttentionDecomposition.Scores(q, k.narrow(2, 0, 3)));
    }

    [Fact]
    public void Joined_dictionaries_code_and_edit_each_node_by_itself()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(4);
        using var first = Parameters.Make(parameters => new VanillaAutoencoder(new VanillaOptions { ModelDim = 16, FeatureCount = 24 }, parameters), ScalarType.Float32);
        using var second = OrthogonalDictionary.Draw(randn([16], generator: random), random);
        using var joint = new SectionDictionary(first, second);
        var (task, vocabulary) = GreaterThanTask.WithOwnVocabulary();
        using var model = new LanguageModelBuilder { VocabSize = vocabulary, ModelDim = 16, LayerCount = 2 }.AddAttention(attention => attention.HeadCount = 2).Build();
        using var clean = task.Draw(30, random);
        using var other = task.Counterfactual(clean, task.Attributes[0].Name, random);
        var end = (int)clean.Positions.size(1) - 1;
        var section = new CircuitSection("both", [new("layers.0.mixer.z", end), new("layers.1.mixer.z", end)]);
        var (from, to) = (section.Read(model, clean), section.Read(model, other));
        Tensor[] halves = [from.narrow(1, 0, 16), from.narrow(1, 16, 16)];
        var codes = joint.Encode(new ActivationBatch(from));
        Close.Check("codes", cat([first.Encode(halves[0]), second.Encode(new ActivationBatch(halves[1]))], 1), codes, absolute: 1e-6);
        Close.Check("decoded", cat([first.Reconstruct(halves[0]), halves[1]], 1), joint.Decode(codes), absolute: 1e-4);

        // Two features of each node: what the nodes' own greedy searches find, not the four best of the section.
        var edits = new[] { (IDictionary)first, second }.Select((part, node) => SparseControl.Greedy(part, new(halves[node]), new(to.narrow(1, node * 16, 16)), 2)).ToArray();
        var goal = section.Logits(model, clean, to);
        var result = Assert.Single(ControllabilityTest.Run(model, section, joint, clean, other, 2));
        Assert.Equal(Agreement.Of(section.Logits(model, clean, cat([edits[0].Edited, edits[1].Edited], 1)), goal), result.Agreement, 9);
        var removed = cat([
            SparseControl.Weights(first, first.Encode(halves[0])).gather(1, edits[0].Features).sum(1),
            SparseControl.Weights(second, second.Encode(new ActivationBatch(halves[1]))).gather(1, edits[1].Features).sum(1)], 0);
        Assert.Equal(removed.masked_select(removed.isnan().logical_not()).mean().item<float>(), result.RemovedWeight, 4);
        // Where nothing differs no feature changes, however many picks there are.
        Assert.Equal(0, ControllabilityTest.Run(model, section, joint, clean, clean, 3)[0].RemovedWeight);
        using var scaled = Parameters.Make(parameters => new VanillaAutoencoder(new VanillaOptions { ModelDim = 16, FeatureCount = 24, InputNormalization = InputNormalization.ConstantNorm }, parameters));
        Assert.Contains("ConstantNorm", Assert.Throws<ArgumentException>(() => new SectionDictionary(scaled)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => joint.Encode(new ActivationBatch(halves[0])));
    }

    [Theory]
    [InlineData(InputNormalization.None)]
    [InlineData(InputNormalization.PerRowStandardize)]
    [InlineData(InputNormalization.ConstantNorm)]
    public void Swaps_are_made_in_raw_units_whatever_the_rows_are_normalised_by(InputNormalization normalization)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(4);
        using var autoencoder = Parameters.Make(parameters => new VanillaAutoencoder(new VanillaOptions { ModelDim = 5, FeatureCount = 10, InputNormalization = normalization }, parameters));
        var axes = cat([eye(5, dtype: ScalarType.Float64), -eye(5, dtype: ScalarType.Float64)], 0);
        autoencoder.get_parameter("W_dec")!.copy_(axes);
        autoencoder.get_parameter("W_enc")!.copy_(axes.t());
        // Rolled rows have the same factors, and codes along the axes rebuild everything: all swapped is the counterfactual.
        var values = randn([30, 5], ScalarType.Float64, generator: random) * 20;
        var (a, b) = (new ActivationBatch(values), new ActivationBatch(values.roll([1L], [1L])));
        var greedy = SparseControl.Greedy(autoencoder, a, b, 10);
        Close.Check("greedy", b.Values, greedy.Edited, absolute: 1e-3);
        Close.Check("rest", zeros([30], ScalarType.Float64), greedy.Distances.select(1, 9), absolute: 1e-3);
        Close.Check("codes", b.Values, SparseControl.Greedy(autoencoder, a, b, 10, ControlObjective.Reconstruction).Edited, absolute: 1e-3);
        var beam = BeamControl.Search(autoencoder, a, b, 10, 2);
        Close.Check("beam", b.Values, beam.Edited, absolute: 1e-3);
        var order = arange(10).unsqueeze(0);
        var value = zeros([30], ScalarType.Int64);
        var (edited, _, _) = SparseControl.ByInterpretation(autoencoder, a, b, order, value, value, 10);
        Close.Check("by interpretation", b.Values, edited, absolute: 1e-3);
    }

    [Fact]
    public void A_beam_keeps_the_set_without_an_effective_swap_once()
    {
        using var scope = NewDisposeScope();
        // One feature is best alone, two others, bad alone, together reach the goal; ten more never change.
        var atoms = zeros([13, 2], ScalarType.Float64);
        atoms[10] = tensor(new[] { 0.5, 0 });
        atoms[11] = tensor(new[] { 0.5, 3 });
        atoms[12] = tensor(new[] { 0.5, -3 });
        using var dictionary = new GivenCodes(atoms);
        var codes = zeros([1, 13], ScalarType.Int64);
        codes[0, TensorIndex.Slice(10)] = 1L;
        var clean = new ActivationBatch(zeros([1, 2], ScalarType.Float64), zeros([1, 13], ScalarType.Int64));
        var counterfactual = new ActivationBatch(tensor(new[] { 1.0, 0 }).unsqueeze(0), codes);
        var edit = BeamControl.Search(dictionary, clean, counterfactual, 2, 3);
        Assert.Equal(0, edit.Distances[0, 1].item<double>(), 9);
        Assert.Equal([11, 12], edit.Features.data<long>().ToArray().Order());
        var same = BeamControl.Search(dictionary, clean, clean, 3, 3);
        Assert.Equal(0, same.Distances.sum().item<double>());
    }

    private sealed class GivenCodes(Tensor atoms) : IDictionary, IDisposable
    {
        public Tensor Atoms => atoms;

        public Tensor Bias { get; } = zeros([atoms.size(1)], atoms.dtype).DetachFromDisposeScope();

        public Tensor Encode(ActivationBatch batch) => batch.Attributes!.to(atoms.dtype);

        public Tensor Decode(Tensor codes) => codes.mm(atoms);

        public void Dispose() => Bias.Dispose();
    }
}
