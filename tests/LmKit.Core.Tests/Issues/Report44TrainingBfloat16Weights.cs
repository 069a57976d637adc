using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public sealed class Report44TrainingBfloat16Weights : TrainingScene
{
    [Fact]
    public void Weights_near_one_change_in_twenty_steps_of_a_thousandth()
    {
        using var model = Model(ScalarType.BFloat16);
        using (no_grad())
        {
            foreach (var parameter in model.parameters().Where(parameter => parameter.dim() >= 2))
                parameter.add_(1.0);
        }
        var weight = model.get_parameter("layers.0.mixer.q_proj.weight")!;
        using var before = weight.detach().clone();
        using var trainer = new Trainer(new LanguageModelTask(model, Data, 16, 2, 1), new() { Steps = 20, LearningRate = 1e-3, WeightDecay = 0, Shape = LearningRateShape.Constant });
        trainer.Run();
        using var scope = NewDisposeScope();
        Assert.True((weight - before).ne(0).to(ScalarType.Float32).mean().item<float>() > 0.5);
    }
}
