using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public sealed class ModelFolderTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.BFloat16)]
    public void A_model_loads_from_its_folder_alone_in_the_dtype_it_was_saved_in(ScalarType dtype)
    {
        using var saved = Model(dtype);
        saved.Save(folder["model"]);
        using var loaded = LanguageModel.Load(folder["model"]);
        foreach (var (name, parameter) in saved.named_parameters())
        {
            Assert.Equal(dtype, loaded.get_parameter(name)!.dtype);
            Assert.True(parameter.Equals(loaded.get_parameter(name)!), name);
        }
        Assert.False(loaded.training);
    }

    [Theory]
    [InlineData(ScalarType.Float64, ScalarType.Float32)]
    [InlineData(ScalarType.Float32, ScalarType.BFloat16)]
    [InlineData(ScalarType.BFloat16, ScalarType.Float32)]
    public void A_dtype_that_is_asked_for_converts_the_file(ScalarType from, ScalarType to)
    {
        using var scope = NewDisposeScope();
        using var saved = Model(from);
        saved.Save(folder["model"]);
        using var loaded = LanguageModel.Load(folder["model"], dtype: to);
        foreach (var (name, parameter) in saved.named_parameters())
            Assert.True(parameter.to(to).Equals(loaded.get_parameter(name)!), name);
    }

    [Fact]
    public void The_tensors_of_a_module_are_what_its_checkpoint_holds()
    {
        using var model = Model(ScalarType.Float32);
        model.Save(folder["model"]);
        using var reader = new SafetensorsReader(Path.Combine(folder["model"], "model.safetensors"));
        Assert.Equal(model.named_parameters().Select(pair => pair.name).Order(), reader.Entries.Select(entry => entry.Name).Order());
        Assert.Equal(reader.Entries.Select(entry => entry.Name).Order(), ModuleTensors.Of(model).Keys.Order());
    }

    [Fact]
    public async Task Loading_while_another_thread_saves_gives_a_whole_model_and_does_not_harm_the_save()
    {
        using var model = Model(ScalarType.Float32);
        model.Save(folder["model"]);
        var saving = Task.Run(() =>
        {
            for (var round = 0; round < 20; round++)
                model.Save(folder["model"]);
        });
        while (!saving.IsCompleted)
            LanguageModel.Load(folder["model"]).Dispose();
        await saving;
        Assert.Equal(["model"], folder.Names);
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void A_weight_that_is_not_finite_is_refused_by_name_wherever_it_stands(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var model = Model(dtype);
        model.Save(folder["model"]);
        var path = Path.Combine(folder["model"], "model.safetensors");
        foreach (var name in ModuleTensors.Of(model).Keys)
        {
            foreach (var at in new[] { 0, ^1 })
            {
                var tensors = ModuleTensors.Of(model).ToDictionary(pair => pair.Key, pair => pair.Value.detach().clone());
                var values = tensors[name].view(-1);
                values.narrow(0, at.GetOffset((int)values.numel()), 1).fill_(double.NaN);
                SafetensorsWriter.Save(path, tensors);
                var message = Assert.Throws<ArgumentException>(() => LanguageModel.Load(folder["model"])).Message;
                Assert.Contains($"'{name}'", message, StringComparison.Ordinal);
                Assert.Contains(path, message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void A_weight_that_a_conversion_makes_infinite_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var model = Model(ScalarType.Float32);
        using (no_grad())
            model.get_parameter("embeddings.word_embeddings.weight")!.view(-1).narrow(0, 5, 1).fill_(1e6);
        model.Save(folder["model"]);
        LanguageModel.Load(folder["model"]).Dispose();
        var message = Assert.Throws<ArgumentException>(() => LanguageModel.Load(folder["model"], dtype: ScalarType.Float16)).Message;
        Assert.Contains("'embeddings.word_embeddings.weight'", message, StringComparison.Ordinal);
    }

    private static LanguageModel Model(ScalarType dtype) =>
        new LanguageModelBuilder { VocabSize = 16, ModelDim = 8, LayerCount = 1, Dtype = dtype }.AddAttention(attention => attention.HeadCount = 2).Build();
}
